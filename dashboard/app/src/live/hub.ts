// Who watches what: gathers the reports that all tabs of this browser want, watches each of them once, and hands every answer
// to those who asked. It runs once a browser: in a shared worker, or in the tab that leads where there is none.
//
// ```text
//   tab ──watch/forget──┐                       ┌── Feed (≤ 50 reports) ──Watch──▶ server
//   tab ──watch/forget──┼──▶ Hub: one entry a ──┤
//   tab ◀──answers──────┘    different question └── Feed …      (browsers allow six connections a host, so three at most)
// ```
//
// A report that nobody wants any more is watched for a while longer, so that going back shows it at once.

import type { Snapshot } from "../gen/pistats/query/v1/query_pb.js";
import { Feed, MAX_REPORTS, questionOf, type Open } from "./feed.js";
import type { Failure, Link, Port, ToHub, ToTab } from "./messages.js";

const MAX_FEEDS = 3;
const LINGER_MS = 10_000;
/** Reports are wanted in bursts, when a view opens. */
const GATHER_MS = 4;

interface Entry {
  tag: string;
  key: string;
  report: Uint8Array;
  readers: Map<Tab, Set<number>>;
  answer?: Snapshot;
  changedUs: bigint;
  feed: number;
  idleSince: number;
}

interface Tab {
  port: Port<ToTab, ToHub>;
  wants: Map<number, Entry>;
}

export class Hub {
  private readonly tabs = new Set<Tab>();
  private readonly entries = new Map<string, Entry>();
  private readonly byTag = new Map<string, Entry>();
  private readonly feeds: Feed[] = [];
  private readonly links: Link[] = [];
  private readonly stale = new Set<number>();
  private gathering: ReturnType<typeof setTimeout> | undefined;
  private sweeping: ReturnType<typeof setTimeout> | undefined;
  private tags = 0;
  private link: Link = "connecting";

  constructor(private readonly open: Open, private readonly locks: LockManager | undefined = globalThis.navigator?.locks) {}

  join(port: Port<ToTab, ToHub>): void {
    const tab: Tab = { port, wants: new Map() };
    this.tabs.add(tab);
    port.onMessage((message) => this.take(tab, message));
    port.send({ kind: "link", link: this.link });
  }

  private take(tab: Tab, message: ToHub): void {
    switch (message.kind) {
      case "hello":
        // It may come back from the browser's cache of pages.
        this.tabs.add(tab);
        // A tab that dies says nothing, but its lock becomes free.
        void this.locks?.request(message.lock, () => this.leave(tab)).catch(() => undefined);
        break;
      case "watch":
        this.watch(tab, message.id, message.key, message.report);
        break;
      case "forget":
        this.forget(tab, message.id);
        break;
      case "wake":
        for (const feed of this.feeds) feed.wake();
        break;
      case "bye":
        this.leave(tab);
        break;
    }
  }

  private leave(tab: Tab): void {
    for (const id of [...tab.wants.keys()]) this.forget(tab, id);
    this.tabs.delete(tab);
  }

  private watch(tab: Tab, id: number, key: string, report: Uint8Array): void {
    if (tab.wants.has(id)) return;
    const question = questionOf(key, report);
    let entry = this.entries.get(question);
    if (!entry) {
      const feed = this.roomiest();
      if (feed === undefined) {
        return tab.port.send({ kind: "failed", id, failure: { code: 8, message: "More reports are open than one browser may watch: close a tab." } });
      }
      entry = { tag: String(++this.tags), key, report, readers: new Map(), changedUs: 0n, feed, idleSince: 0 };
      this.entries.set(question, entry);
      this.byTag.set(entry.tag, entry);
      this.renew(feed);
    }
    const ids = entry.readers.get(tab) ?? new Set();
    entry.readers.set(tab, ids.add(id));
    tab.wants.set(id, entry);
    if (entry.answer) tab.port.send({ kind: "answer", id, answer: entry.answer, changedUs: entry.changedUs });
  }

  private forget(tab: Tab, id: number): void {
    const entry = tab.wants.get(id);
    if (!entry) return;
    tab.wants.delete(id);
    const ids = entry.readers.get(tab);
    ids?.delete(id);
    if (ids?.size === 0) entry.readers.delete(tab);
    if (entry.readers.size === 0) {
      entry.idleSince = Date.now();
      this.sweeping ??= setTimeout(() => this.sweep(), LINGER_MS);
    }
  }

  /** Ends what nobody has wanted for a while. */
  private sweep(): void {
    this.sweeping = undefined;
    const idle = [...this.entries].filter(([, entry]) => entry.readers.size === 0);
    for (const [question, entry] of idle) {
      if (Date.now() - entry.idleSince < LINGER_MS) continue;
      this.drop(question, entry);
      this.renew(entry.feed);
    }
    if ([...this.entries.values()].some((entry) => entry.readers.size === 0)) this.sweeping = setTimeout(() => this.sweep(), LINGER_MS);
  }

  private drop(question: string, entry: Entry): void {
    this.entries.delete(question);
    this.byTag.delete(entry.tag);
  }

  private count(feed: number): number {
    let count = 0;
    for (const entry of this.entries.values()) if (entry.feed === feed) count++;
    return count;
  }

  /** The first feed with room. Idle reports make room when all are full. */
  private roomiest(): number | undefined {
    for (let feed = 0; feed < MAX_FEEDS; feed++) if (this.count(feed) < MAX_REPORTS) return feed;
    for (const [question, entry] of this.entries) {
      if (entry.readers.size > 0) continue;
      this.drop(question, entry);
      return entry.feed;
    }
    return undefined;
  }

  private renew(feed: number): void {
    this.stale.add(feed);
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      for (const at of this.stale) this.feed(at).set([...this.entries.values()].filter((entry) => entry.feed === at));
      this.stale.clear();
    }, GATHER_MS);
  }

  private feed(at: number): Feed {
    return (this.feeds[at] ??= new Feed(this.open, {
      answer: (tag, answer, changedUs) => this.answer(tag, answer, changedUs),
      failed: (tag, failure) => this.failed(tag, failure),
      link: (link) => this.linked(at, link),
    }));
  }

  private answer(tag: string, answer: Snapshot, changedUs: bigint): void {
    const entry = this.byTag.get(tag);
    if (!entry) return;
    entry.answer = answer;
    entry.changedUs = changedUs;
    for (const [tab, ids] of entry.readers) for (const id of ids) tab.port.send({ kind: "answer", id, answer, changedUs });
  }

  private failed(tag: string, failure: Failure): void {
    const entry = this.byTag.get(tag);
    if (!entry) return;
    for (const [tab, ids] of entry.readers) {
      for (const id of ids) {
        tab.wants.delete(id);
        tab.port.send({ kind: "failed", id, failure });
      }
    }
    this.drop(questionOf(entry.key, entry.report), entry);
  }

  /** All feeds go to the same server: one that is lost is news. */
  private linked(feed: number, link: Link): void {
    this.links[feed] = link;
    const all = this.links.filter((_, at) => (this.feeds[at]?.size ?? 0) > 0);
    const now: Link = all.includes("lost") ? "lost" : all.includes("live") ? "live" : "connecting";
    if (now === this.link) return;
    this.link = now;
    for (const tab of this.tabs) tab.port.send({ kind: "link", link: now });
  }
}
