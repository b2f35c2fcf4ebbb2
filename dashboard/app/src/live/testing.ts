// A server of Watch streams for tests: says what it was asked, and sends what the test tells it to.

import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  SnapshotSchema, WatchedReportSchema, WatchResponseSchema, type AsOf, type Snapshot, type WatchRequest, type WatchResponse,
} from "../gen/pistats/query/v1/query_pb.js";
import type { Open } from "./feed.js";

export interface Stream {
  key: string;
  request: WatchRequest;
  isOpen: boolean;
  send(message: WatchResponse): void;
  /** Ends it as a server does that goes away. */
  cut(error?: ConnectError): void;
}

export class FakeServer {
  readonly streams: Stream[] = [];

  get last(): Stream {
    const stream = this.streams.at(-1);
    if (!stream) throw new Error("no stream was opened");
    return stream;
  }

  get openCount(): number {
    return this.streams.filter((stream) => stream.isOpen).length;
  }

  readonly open: Open = (key, request, signal) => {
    const queue: (WatchResponse | ConnectError)[] = [];
    let wake: () => void = () => undefined;
    const stream: Stream = {
      key, request, isOpen: true,
      send: (message) => { queue.push(message); wake(); },
      cut: (error = new ConnectError("gone", Code.Unavailable)) => { queue.push(error); wake(); },
    };
    this.streams.push(stream);
    const end = () => { stream.isOpen = false; wake(); };
    signal.addEventListener("abort", end);
    return (async function* () {
      for (;;) {
        const next = queue.shift();
        if (!stream.isOpen) throw new ConnectError("aborted", Code.Canceled);
        if (next instanceof ConnectError) { stream.isOpen = false; throw next; }
        if (next) yield next;
        else await new Promise<void>((done) => (wake = done));
      }
    })();
  };
}

/** The question of a page's visitors; each number another one. */
export function question(number: number): Uint8Array {
  return toBinary(WatchedReportSchema, create(WatchedReportSchema, { report: { case: "traffic", value: { range: { range: { case: "times", value: { fromUs: 0n, toUs: BigInt(number + 1) } } } } } }));
}

export const at = (offset: number): AsOf => ({ $typeName: "pistats.query.v1.AsOf", generation: 1n, nextOffsets: [BigInt(offset)] });

export function snapshot(visitors: number, offset: number): Snapshot {
  return create(SnapshotSchema, { report: { case: "traffic", value: { total: { visitors: BigInt(visitors) }, asOf: at(offset) } } });
}

export function whole(tag: string, number: number, visitors: number, offset: number): WatchResponse {
  return create(WatchResponseSchema, { tag, number: BigInt(number), content: { case: "snapshot", value: snapshot(visitors, offset) } });
}

export function delta(tag: string, number: number, visitors: number, offset: number): WatchResponse {
  return create(WatchResponseSchema, { tag, number: BigInt(number), asOf: at(offset), content: { case: "delta", value: { report: { case: "traffic", value: { total: { visitors: BigInt(visitors) } } } } } });
}

export function visitorsOf(answer: Snapshot | undefined): number {
  return answer?.report.case === "traffic" ? Number(answer.report.value.total?.visitors) : -1;
}
