import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ToHub, ToTab } from "./messages.js";
import { Hub } from "./hub.js";
import { at, delta, FakeServer, question, visitorsOf, whole } from "./testing.js";

/** A tab as the hub sees it. */
class FakeTab {
  readonly heard: ToTab[] = [];
  say: (message: ToHub) => void = () => undefined;

  constructor(hub: Hub) {
    hub.join({ send: (message) => void this.heard.push(message), onMessage: (take) => (this.say = take) });
  }

  watch(id: number, number: number, key = "key-a"): void {
    this.say({ kind: "watch", id, key, report: question(number) });
  }

  /** The newest number of a report. */
  latest(id: number): number {
    const found = this.heard.filter((message) => message.kind === "answer" && message.id === id).at(-1);
    return found?.kind === "answer" ? visitorsOf(found.answer) : -1;
  }

  get link(): string | undefined {
    const found = this.heard.filter((message) => message.kind === "link").at(-1);
    return found?.kind === "link" ? found.link : undefined;
  }

  failures(): [number, number][] {
    return this.heard.flatMap((message) => (message.kind === "failed" ? [[message.id, message.failure.code] as [number, number]] : []));
  }
}

let server: FakeServer;
let hub: Hub;

const settle = (ms = 10) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  hub = new Hub(server.open, undefined);
});
afterEach(() => vi.useRealTimers());

describe("the hub", () => {
  it("watches what several tabs want once, over one stream, and tells all of them", async () => {
    const tabs = [1, 2, 3, 4].map(() => new FakeTab(hub));
    for (const tab of tabs) {
      tab.watch(1, 0);
      tab.watch(2, 1);
    }
    await settle();
    expect(server.streams).toHaveLength(1);
    expect(server.last.request.reports).toHaveLength(2);
    const [first, second] = server.last.request.reports.map((report) => report.tag);
    server.last.send(whole(first ?? "", 1, 10, 5));
    server.last.send(whole(second ?? "", 1, 20, 5));
    server.last.send(delta(first ?? "", 2, 11, 6));
    await settle();
    expect(tabs.map((tab) => [tab.latest(1), tab.latest(2), tab.link])).toEqual(tabs.map(() => [11, 20, "live"]));
    expect(server.openCount).toBe(1);
  });

  it("shows a tab that comes later what is known, at once and without asking", async () => {
    new FakeTab(hub).watch(1, 0);
    await settle();
    server.last.send(whole(server.last.request.reports[0]?.tag ?? "", 1, 7, 1));
    await settle();
    const later = new FakeTab(hub);
    later.watch(9, 0);
    expect(later.latest(9)).toBe(7);
    await settle();
    expect(server.streams).toHaveLength(1);
  });

  it("goes on by as_of after a cut: nothing is counted twice, and the banner comes and goes", async () => {
    const tab = new FakeTab(hub);
    tab.watch(1, 0);
    await settle();
    const tag = server.last.request.reports[0]?.tag ?? "";
    server.last.send(whole(tag, 40, 100, 8));
    server.last.send(delta(tag, 41, 101, 9));
    await settle();
    server.last.cut();
    await settle();
    expect([tab.link, server.openCount]).toEqual(["lost", 0]);
    await settle(1000);
    expect(server.streams).toHaveLength(2);
    expect(server.last.request.reports[0]?.resumeFrom?.nextOffsets).toEqual(at(9).nextOffsets);
    // Another server: it counts its states anew.
    server.last.send(delta(tag, 3, 104, 12));
    await settle();
    expect([tab.latest(1), tab.link]).toEqual([104, "live"]);
    // What is known can be void: a snapshot marked reset takes its place.
    server.last.send({ ...whole(tag, 9, 50, 2), reset: true });
    await settle();
    expect(tab.latest(1)).toBe(50);
  });

  it("waits longer and longer while the server is away, at most five seconds, and at once when the network is back", async () => {
    const tab = new FakeTab(hub);
    tab.watch(1, 0);
    await settle();
    for (let time = 0; time < 12; time++) {
      server.last.cut();
      await settle(6500);
      expect(server.streams.length).toBe(time + 2);
    }
    server.last.cut();
    await settle(1);
    const before = server.streams.length;
    tab.say({ kind: "wake" });
    await settle(1);
    expect(server.streams.length).toBe(before + 1);
  });

  it("takes a stream that says nothing for ninety seconds for dead", async () => {
    new FakeTab(hub).watch(1, 0);
    await settle();
    server.last.send(whole(server.last.request.reports[0]?.tag ?? "", 1, 1, 1));
    await settle(89_000);
    expect(server.streams).toHaveLength(1);
    await settle(7_000);
    expect([server.streams.length, server.openCount]).toEqual([2, 1]);
  });

  it("asks anew without as_of when a delta does not follow", async () => {
    const tab = new FakeTab(hub);
    tab.watch(1, 0);
    await settle();
    const tag = server.last.request.reports[0]?.tag ?? "";
    server.last.send(whole(tag, 1, 1, 1));
    server.last.send(delta(tag, 5, 9, 9));
    await settle(1000);
    expect(server.streams).toHaveLength(2);
    expect(server.last.request.reports[0]?.resumeFrom).toBeUndefined();
    expect(tab.latest(1)).toBe(1);
  });

  it("puts fifty reports into a stream, and the next one into a second stream", async () => {
    const tab = new FakeTab(hub);
    for (let number = 0; number < 50; number++) tab.watch(number, number);
    await settle();
    expect(server.streams.map((stream) => stream.request.reports.length)).toEqual([50]);
    tab.watch(50, 50);
    await settle();
    expect(server.streams.map((stream) => stream.request.reports.length)).toEqual([50, 1]);
    expect(server.openCount).toBe(2);
  });

  it("refuses the 151st report with a sentence, and takes another one when one is forgotten", async () => {
    const tab = new FakeTab(hub);
    for (let number = 0; number <= 150; number++) tab.watch(number, number);
    await settle();
    expect(tab.failures()).toEqual([[150, 8]]);
    expect(server.openCount).toBe(3);
    tab.say({ kind: "forget", id: 0 });
    tab.watch(151, 151);
    await settle();
    expect(tab.failures()).toHaveLength(1);
  });

  it("keeps what nobody wants for ten seconds more, then ends it", async () => {
    const tab = new FakeTab(hub);
    tab.watch(1, 0);
    await settle();
    server.last.send(whole(server.last.request.reports[0]?.tag ?? "", 1, 5, 1));
    await settle();
    tab.say({ kind: "forget", id: 1 });
    await settle(5_000);
    tab.watch(2, 0);
    expect(tab.latest(2)).toBe(5);
    tab.say({ kind: "bye" });
    await settle(25_000);
    expect(server.openCount).toBe(0);
  });

  it("gives each report its key, the first one's in the call, and ends only those whose key opens nothing", async () => {
    const tab = new FakeTab(hub);
    tab.watch(1, 0, "key-a");
    tab.watch(2, 1, "key-b");
    tab.watch(3, 2, "key-b");
    await settle();
    expect(server.last.key).toBe("key-a");
    expect(server.last.request.reports.map((report) => report.key)).toEqual(["", "key-b", "key-b"]);
    server.last.cut(new ConnectError("reports[1].key: this key was revoked", Code.Unauthenticated));
    await settle();
    expect(tab.failures()).toEqual([[2, Code.Unauthenticated], [3, Code.Unauthenticated]]);
    expect(server.last.request.reports).toHaveLength(1);
    server.last.cut(new ConnectError("this key was revoked", Code.Unauthenticated));
    await settle();
    expect(tab.failures().at(-1)).toEqual([1, Code.Unauthenticated]);
    expect(server.openCount).toBe(0);
  });

  it("ends only the question that the server refuses", async () => {
    const tab = new FakeTab(hub);
    for (let number = 0; number < 3; number++) tab.watch(number, number);
    await settle();
    server.last.cut(new ConnectError("reports[2].traffic.filters[0]: no such dimension", Code.InvalidArgument));
    await settle();
    expect(tab.failures()).toEqual([[2, Code.InvalidArgument]]);
    expect(server.last.request.reports).toHaveLength(2);
  });
});
