import { describe, expect, it } from "vitest";
import { joinByChannel } from "./channel.js";
import { Hub } from "./hub.js";
import { FakeServer, question, visitorsOf, whole } from "./testing.js";
import { Tab } from "./tab.js";
import { WatchedReportSchema, type Snapshot } from "../gen/pistats/query/v1/query_pb.js";
import { fromBinary } from "@bufbuild/protobuf";

/** Locks of a browser: who asks first has it until it goes. */
class FakeLocks {
  private readonly waiting: (() => void)[] = [];
  private holder: string | undefined;

  of(name: string): LockManager {
    const request = (_: string, hold: () => unknown) => new Promise((done) => {
      const take = () => { this.holder = name; done(hold()); };
      if (this.holder === undefined) take();
      else this.waiting.push(take);
    });
    return { request, query: () => Promise.resolve({}) } as unknown as LockManager;
  }

  free(): void {
    this.holder = undefined;
    this.waiting.shift()?.();
  }
}

const soon = () => new Promise((done) => setTimeout(done, 60));

describe("tabs without a shared worker", () => {
  it("let one of them lead, all get answers over one stream, and another leads when it goes", async () => {
    const servers: FakeServer[] = [];
    const locks = new FakeLocks();
    const channels: BroadcastChannel[][] = [];
    const open = (name: string) => {
      const own: BroadcastChannel[] = [];
      channels.push(own);
      const places = {
        channel: () => { const channel = new BroadcastChannel("pistats-test"); own.push(channel); return channel; },
        locks: locks.of(name),
        hub: () => { const server = new FakeServer(); servers.push(server); return new Hub(server.open, undefined); },
      };
      return new Tab((again) => joinByChannel(name, places, again), name);
    };
    const asked = fromBinary(WatchedReportSchema, question(0)).report;
    const seen: Record<string, number> = {};
    const tabs = ["one", "two", "three"].map((name) => {
      const tab = open(name);
      tab.watch("key", asked, { answer: (answer: Snapshot) => (seen[name] = visitorsOf(answer)), failed: () => undefined });
      return tab;
    });
    tabs.forEach((tab) => tab.sayAll());
    await soon();
    expect(servers).toHaveLength(1);
    expect(servers[0]?.last.request.reports).toHaveLength(1);
    servers[0]?.last.send(whole(servers[0].last.request.reports[0]?.tag ?? "", 1, 12, 1));
    await soon();
    expect(seen).toEqual({ one: 12, two: 12, three: 12 });
    // The leading tab is closed: its channels fall silent, its lock becomes free.
    channels[0]?.forEach((channel) => channel.close());
    locks.free();
    await soon();
    expect(servers).toHaveLength(2);
    servers[1]?.last.send(whole(servers[1].last.request.reports[0]?.tag ?? "", 1, 13, 2));
    await soon();
    expect(seen).toEqual({ one: 12, two: 13, three: 13 });
    channels.flat().forEach((channel) => channel.close());
  });
});
