// Where there is no shared worker: the tabs choose one of them by a lock, that one runs the hub, and they speak over a
// BroadcastChannel. When the leading tab goes, the lock passes on and the new leader asks all tabs to say again what they want.

import type { Port, ToHub, ToTab } from "./messages.js";
import type { Hub } from "./hub.js";

type Spoken =
  | { to: "hub"; from: string; message: ToHub }
  | { to: "tab"; tab: string; message: ToTab }
  | { to: "all"; news: "new-leader" };

export interface Places {
  channel: () => BroadcastChannel;
  locks: LockManager;
  hub: () => Hub;
}

/** The tab's end. `onLeader` is called whenever a new hub stands: tell it everything again. */
export function joinByChannel(name: string, { channel, locks, hub }: Places, onLeader: () => void): Port<ToHub, ToTab> {
  const line = channel();
  let take: (message: ToTab) => void = () => undefined;
  line.addEventListener("message", ({ data }: MessageEvent<Spoken>) => {
    if (data.to === "tab" && data.tab === name) take(data.message);
    if (data.to === "all") onLeader();
  });
  void locks.request("pistats-leader", () => {
    lead(channel(), hub());
    // The leader's own words do not come back to it over its own channel object, but over its second one.
    onLeader();
    return new Promise<void>(() => undefined);
  }).catch(() => undefined);
  return {
    send: (message) => line.postMessage({ to: "hub", from: name, message } satisfies Spoken),
    onMessage: (taking) => void (take = taking),
  };
}

function lead(line: BroadcastChannel, hub: Hub): void {
  const tabs = new Map<string, (message: ToHub) => void>();
  line.addEventListener("message", ({ data }: MessageEvent<Spoken>) => {
    if (data.to !== "hub") return;
    const { from, message } = data;
    if (!tabs.has(from)) {
      hub.join({
        send: (answer) => line.postMessage({ to: "tab", tab: from, message: answer } satisfies Spoken),
        onMessage: (take) => tabs.set(from, take),
      });
    }
    tabs.get(from)?.(message);
    if (message.kind === "bye") tabs.delete(from);
  });
  line.postMessage({ to: "all", news: "new-leader" } satisfies Spoken);
}
