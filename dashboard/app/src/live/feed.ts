// One Watch stream: holds up to 50 reports, opens it, follows it, and opens it again after a cut, going on by `as_of`.
//
// ```text
//   set(reports) ──▶ open: Watch(reports, resume_from) ──▶ take each message ──▶ onAnswer
//                      ▲              │ cut, silent, or misapplied
//                      └── wait ◀─────┘ 0.25 s, doubling to 5 s
// ```
//
// A stream cannot be changed while it runs, so another set of reports ends it and opens another one; `resume_from` makes
// that cheap, and nothing is counted twice: the old stream is ended before the point to go on from is taken.
// Not responsible for who wants which report (hub.ts).

import { create, fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { WatchRequestSchema, WatchedReportSchema, type Snapshot, type WatchRequest, type WatchResponse } from "../gen/pistats/query/v1/query_pb.js";
import type { Failure, Link } from "./messages.js";
import { Misapplied, resume, take, UNKNOWN, type Watched } from "./reducer.js";

/** The contract allows so many reports in one stream. */
export const MAX_REPORTS = 50;

/** Current visitors move at least once a minute; a stream that says nothing for so long is dead. */
const SILENT_MS = 90_000;
const FIRST_WAIT_MS = 250;
const LAST_WAIT_MS = 5_000;

export interface Wanted {
  tag: string;
  key: string;
  report: Uint8Array;
}

export type Open = (key: string, request: WatchRequest, signal: AbortSignal) => AsyncIterable<WatchResponse>;

export interface Listener {
  answer(tag: string, answer: Snapshot, changedUs: bigint): void;
  failed(tag: string, failure: Failure): void;
  link(link: Link): void;
}

export class Feed {
  private wanted: Wanted[] = [];
  private readonly known = new Map<string, Watched>();
  private running: AbortController | undefined;
  private wait = FIRST_WAIT_MS;
  private again: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly open: Open, private readonly listener: Listener) {}

  get size(): number {
    return this.wanted.length;
  }

  /** Watches these reports from now on, at most 50. */
  set(wanted: Wanted[]): void {
    this.wanted = wanted;
    const tags = new Set(wanted.map((report) => report.tag));
    for (const tag of this.known.keys()) if (!tags.has(tag)) this.known.delete(tag);
    this.restart();
  }

  /** Connects at once, if it is waiting. */
  wake(): void {
    if (this.again !== undefined) this.restart();
  }

  private stop(): void {
    this.running?.abort();
    this.running = undefined;
    clearTimeout(this.again);
    clearTimeout(this.silence);
    this.again = undefined;
  }

  private restart(): void {
    this.stop();
    if (this.wanted.length > 0) void this.run((this.running = new AbortController()));
  }

  private async run(running: AbortController): Promise<void> {
    const wanted = this.wanted;
    const first = wanted[0];
    if (!first) return;
    try {
      this.listen(running);
      for await (const message of this.open(first.key, this.request(wanted, first.key), running.signal)) {
        if (running.signal.aborted) return;
        this.wait = FIRST_WAIT_MS;
        this.listen(running);
        this.listener.link("live");
        this.take(message);
      }
      this.lost(running);
    } catch (error) {
      if (!running.signal.aborted || this.running === running) this.fail(running, wanted, error);
    }
  }

  private request(wanted: Wanted[], callKey: string): WatchRequest {
    const reports = wanted.map(({ tag, key, report }) => {
      const asked = fromBinary(WatchedReportSchema, report);
      asked.tag = tag;
      if (key !== callKey) asked.key = key;
      const { known, from } = resume(this.known.get(tag) ?? UNKNOWN);
      this.known.set(tag, known);
      // Realtime moves with the clock and always starts anew.
      if (from && asked.report.case !== "realtime") asked.resumeFrom = from;
      return asked;
    });
    return create(WatchRequestSchema, { reports });
  }

  private take(message: WatchResponse): void {
    const known = take(this.known.get(message.tag) ?? UNKNOWN, message);
    this.known.set(message.tag, known);
    if (known.answer) this.listener.answer(message.tag, known.answer, message.changedUs);
  }

  /** Counts the silence from now on. */
  private listen(running: AbortController): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      running.abort();
      this.lost(running);
    }, SILENT_MS);
  }

  private lost(running: AbortController): void {
    if (this.running !== running) return;
    this.stop();
    this.listener.link("lost");
    // A little apart, so that many dashboards do not come back in the same moment.
    this.again = setTimeout(() => this.restart(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, LAST_WAIT_MS);
  }

  private fail(running: AbortController, wanted: Wanted[], error: unknown): void {
    if (this.running !== running) return;
    if (error instanceof Misapplied) {
      this.known.clear();
      return this.lost(running);
    }
    const { code, rawMessage, guilty } = explain(error);
    const isFinal = [Code.Unauthenticated, Code.PermissionDenied, Code.InvalidArgument].includes(code);
    if (!isFinal) return this.lost(running);
    // Which report it is about stands in the message; without that it is the call's own key, or all of them.
    const index = guilty;
    const failed = (report: Wanted, at: number) =>
      index !== undefined ? at === index || (code !== Code.InvalidArgument && report.key === wanted[index]?.key)
      : code === Code.InvalidArgument || report.key === wanted[0]?.key;
    this.wanted = wanted.filter((report, at) => !failed(report, at));
    wanted.filter(failed).forEach((report) => {
      this.known.delete(report.tag);
      this.listener.failed(report.tag, { code, message: rawMessage });
    });
    this.restart();
  }
}

function explain(error: unknown): { code: Code; rawMessage: string; guilty?: number } {
  const { code, rawMessage, details } = ConnectError.from(error);
  const texts = [rawMessage, ...details.map((detail) => ("value" in detail && detail.value instanceof Uint8Array ? new TextDecoder("latin1").decode(detail.value) : ""))];
  const found = texts.map((text) => /reports\[(\d+)\]/.exec(text)?.[1]).find((index) => index !== undefined);
  return { code, rawMessage, ...(found === undefined ? {} : { guilty: Number(found) }) };
}

/** The same question in the same bytes. */
export function questionOf(key: string, report: Uint8Array): string {
  return `${key} ${String.fromCharCode(...report)}`;
}
