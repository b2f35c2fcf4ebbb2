import { describe, expect, test } from "vitest";
import { MOST_BYTES, MOST_EVENTS, queue, REQUEST_BYTES, type Box } from "../src/queue.js";

const id = (number: number): string => number.toString(16).padStart(32, "0");
const never = (count: number): void => {
  throw new Error(`${count} lost`);
};

test("events come out in the order of their ids, with their bytes", () => {
  const events = queue("k", {}, never);
  events.add(id(2), "two");
  events.add(id(1), "one");
  expect(events.take().map(events.get)).toEqual(["one", "two"]);
});

test("what is dropped is gone, from storage too", () => {
  const box: Box = { "pistats:visitor": "v", theirs: "x" };
  const events = queue("k", box, never);
  events.add(id(1), "one");
  events.drop(events.take());
  expect(box).toEqual({ "pistats:visitor": "v", theirs: "x" });
});

test("what one page left behind, the next one sends; another key's events it leaves alone", () => {
  const box: Box = {};
  queue("k", box, never).add(id(1), "one");
  queue("other", box, never).add(id(2), "two");
  const next = queue("k", box, never);
  expect(next.take().map(next.get)).toEqual(["one"]);
});

test("two tabs never write over each other", () => {
  const box: Box = {};
  const tabs = [queue("k", box, never), queue("k", box, never)] as const;
  tabs[0].add(id(1), "one");
  tabs[1].add(id(2), "two");
  tabs[0].add(id(3), "three");
  expect(tabs[1].take().map(tabs[1].get)).toEqual(["one", "two", "three"]);
});

test("where storage is full, events stay in memory and are sent all the same", () => {
  const full = new Proxy<Box>({}, { set: () => { throw new Error("QuotaExceededError"); } });
  const events = queue("k", full, never);
  events.add(id(1), "one");
  expect(events.take().map(events.get)).toEqual(["one"]);
  events.drop(events.take());
  expect(events.take()).toEqual([]);
});

describe("bounds", () => {
  test(`of ${MOST_EVENTS} events none is lost, one more pushes the oldest out and is told`, () => {
    let lost = 0;
    const events = queue("k", {}, (count) => (lost += count));
    for (let n = 1; n <= MOST_EVENTS; n++) events.add(id(n), "x");
    expect(lost).toBe(0);
    events.add(id(MOST_EVENTS + 1), "x");
    expect(lost).toBe(1);
    expect(events.take()[0]).toBe(`pistats:${id(2)}:k`);
  });

  test(`${MOST_BYTES} bytes are kept, one more pushes the oldest out`, () => {
    let lost = 0;
    const box: Box = {};
    const events = queue("k", box, (count) => (lost += count));
    for (let n = 1; n <= 10; n++) events.add(id(n), "x".repeat(MOST_BYTES / 10));
    expect(lost).toBe(0);
    events.add(id(11), "x");
    expect([lost, Object.keys(box).length]).toEqual([1, 10]);
  });

  test("an event that is larger than everything that may be kept is lost, and told", () => {
    let lost = 0;
    const events = queue("k", {}, (count) => (lost += count));
    events.add(id(1), "x".repeat(MOST_BYTES + 1));
    expect([lost, events.take()]).toEqual([1, []]);
  });

  test("a request takes what fits, and always one", () => {
    const events = queue("k", {}, never);
    const half = "x".repeat(REQUEST_BYTES / 2 - 20);
    for (const n of [1, 2, 3]) events.add(id(n), half);
    expect(events.take().length).toBe(2);
    expect(events.take(new Set(events.take())).length).toBe(1);
    const large = queue("k", {}, never);
    large.add(id(1), "x".repeat(REQUEST_BYTES + 1));
    expect(large.take().length).toBe(1);
  });
});
