// What tabs and the hub say to one another. Plain data, so that it passes between a tab and a shared worker.

import type { Snapshot } from "../gen/pistats/query/v1/query_pb.js";

/** How the one connection stands. */
export type Link = "connecting" | "live" | "lost";

/** Why a report cannot be watched, when asking again would not help. */
export interface Failure {
  /** Number of the gRPC status. */
  code: number;
  message: string;
}

export type ToHub =
  /** The tab holds the lock of that name as long as it lives. */
  | { kind: "hello"; lock: string }
  /** Watch a report (bytes of a WatchedReport without tag) with a key. `id` is the tab's own. */
  | { kind: "watch"; id: number; key: string; report: Uint8Array }
  | { kind: "forget"; id: number }
  /** Try to connect now: the network is back. */
  | { kind: "wake" }
  | { kind: "bye" };

export type ToTab =
  | { kind: "answer"; id: number; answer: Snapshot; changedUs: bigint }
  | { kind: "failed"; id: number; failure: Failure }
  | { kind: "link"; link: Link };

/** One end of the line between a tab and the hub. */
export interface Port<Out, In> {
  send(message: Out): void;
  onMessage(take: (message: In) => void): void;
}
