// The tab's side of watching: every component says which report it wants, and is called with each answer. The same report
// wanted twice in a tab is asked for once.

import { create, toBinary } from "@bufbuild/protobuf";
import { WatchedReportSchema, type Snapshot, type WatchedReport } from "../gen/pistats/query/v1/query_pb.js";
import { Store } from "../state/store.js";
import { joinByChannel } from "./channel.js";
import { questionOf } from "./feed.js";
import { Hub } from "./hub.js";
import type { Failure, Link, Port, ToHub, ToTab } from "./messages.js";
import { openWatch } from "./open.js";

export type Question = WatchedReport["report"];

export interface Reader {
  answer(answer: Snapshot, changedUs: bigint): void;
  failed(failure: Failure): void;
}

interface Entry {
  id: number;
  key: string;
  report: Uint8Array;
  readers: Set<Reader>;
  answer?: Snapshot;
  changedUs: bigint;
}

export class Tab {
  /** How the connection stands, for the banner. */
  readonly link = new Store<Link>("connecting");
  private readonly entries = new Map<string, Entry>();
  private readonly byId = new Map<number, Entry>();
  private ids = 0;
  private readonly port: Port<ToHub, ToTab>;

  constructor(connect: (again: () => void) => Port<ToHub, ToTab>, private readonly lock: string) {
    this.port = connect(() => this.sayAll());
    this.port.onMessage((message) => this.take(message));
  }

  /** Watches a report until the answered function is called. */
  watch(key: string, question: Question, reader: Reader): () => void {
    const report = toBinary(WatchedReportSchema, create(WatchedReportSchema, { report: question }));
    const name = questionOf(key, report);
    let entry = this.entries.get(name);
    if (!entry) {
      entry = { id: ++this.ids, key, report, readers: new Set(), changedUs: 0n };
      this.entries.set(name, entry);
      this.byId.set(entry.id, entry);
      this.port.send({ kind: "watch", id: entry.id, key, report });
    }
    const found = entry;
    found.readers.add(reader);
    if (found.answer) reader.answer(found.answer, found.changedUs);
    return () => {
      found.readers.delete(reader);
      if (found.readers.size > 0 || this.byId.get(found.id) !== found) return;
      this.entries.delete(name);
      this.byId.delete(found.id);
      this.port.send({ kind: "forget", id: found.id });
    };
  }

  wake(): void {
    this.port.send({ kind: "wake" });
  }

  bye(): void {
    this.port.send({ kind: "bye" });
  }

  /** Says everything again: to a hub that is new, or after the page came back from the browser's cache. */
  sayAll(): void {
    this.port.send({ kind: "hello", lock: this.lock });
    for (const { id, key, report } of this.byId.values()) this.port.send({ kind: "watch", id, key, report });
  }

  private take(message: ToTab): void {
    if (message.kind === "link") return this.link.set(message.link);
    const entry = this.byId.get(message.id);
    if (!entry) return;
    if (message.kind === "answer") {
      entry.answer = message.answer;
      entry.changedUs = message.changedUs;
      for (const reader of entry.readers) reader.answer(message.answer, message.changedUs);
    } else {
      this.byId.delete(entry.id);
      this.entries.delete(questionOf(entry.key, entry.report));
      for (const reader of entry.readers) reader.failed(message.failure);
    }
  }
}

/** The tab of this page: by the shared worker where the browser has one. */
export function openTab(): Tab {
  const name = `pistats-tab-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
  const tab = new Tab((again) => ("SharedWorker" in window ? byWorker() : byChannel(name, again)), name);
  // Held as long as the tab lives: the hub waits for it and so learns that the tab is gone. It is told once it is held.
  const held = navigator.locks?.request(name, () => {
    tab.sayAll();
    return new Promise(() => undefined);
  });
  held?.catch(() => undefined);
  addEventListener("pagehide", () => tab.bye());
  addEventListener("pageshow", (event) => event.persisted && tab.sayAll());
  addEventListener("online", () => tab.wake());
  return tab;
}

function byWorker(): Port<ToHub, ToTab> {
  const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { type: "module", name: "pistats" });
  return {
    send: (message) => worker.port.postMessage(message),
    onMessage: (take) => (worker.port.onmessage = (received: MessageEvent<ToTab>) => take(received.data)),
  };
}

function byChannel(name: string, again: () => void): Port<ToHub, ToTab> {
  const hub = () => new Hub(openWatch(location.origin));
  if (typeof BroadcastChannel === "undefined" || !navigator.locks) return alone(hub());
  return joinByChannel(name, { channel: () => new BroadcastChannel("pistats"), locks: navigator.locks, hub }, again);
}

/** Neither worker nor locks (a page that is not secure, say): the tab has a hub, and so a connection, of its own. */
function alone(hub: Hub): Port<ToHub, ToTab> {
  let toHub: (message: ToHub) => void = () => undefined;
  let toTab: (message: ToTab) => void = () => undefined;
  hub.join({ send: (message) => queueMicrotask(() => toTab(message)), onMessage: (take) => void (toHub = take) });
  return { send: (message) => toHub(message), onMessage: (take) => void (toTab = take) };
}
