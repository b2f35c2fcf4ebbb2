// The encoder's bytes: they are those of vectors/events.json, which proto/tests/tracker.rs reads with the Rust types.
// `npm test -- -u` writes the file anew; then run that test: `cargo test --release -p pistats-proto --test tracker`.
import { describe, expect, test } from "vitest";
import { encode, frame, request, toBytes } from "../src/encode.js";
import { cases, ID, SENT_AT_US, TIME_US } from "./cases.js";

const hex = (bytes: string): string => Buffer.from(toBytes(bytes)).toString("hex");

test("the bytes of every field are those that the Rust types were shown", async () => {
  const events = cases.map(({ about, event, reads }) => ({ about, bytes: hex(request([encode(event)], SENT_AT_US)), reads }));
  const all = request(cases.map(({ event }) => encode(event)), SENT_AT_US);
  const file = { id: ID, time_us: String(TIME_US), sent_at_us: String(SENT_AT_US), requests: events, all_in_one: hex(all) };
  await expect(JSON.stringify(file, null, 1) + "\n").toMatchFileSnapshot("../vectors/events.json");
});

test("a frame has no flag and its length in four bytes, the highest first", () => {
  expect(hex(frame(""))).toBe("0000000000");
  expect(hex(frame("x".repeat(0x010203))).slice(0, 12)).toBe("000001020378");
});

describe("what a page says of itself is cut at the collector's limit", () => {
  const base = { id: ID, timeUs: 0 };
  const bare = encode(base).length;
  // Key (1 byte) and length (2 bytes).
  const size = (event: object) => encode({ ...base, ...event }).length - bare - 3;

  test("a title of 4,096 bytes stays whole, one byte more is cut off", () => {
    expect(size({ title: "x".repeat(4096) })).toBe(4096);
    expect(size({ title: "x".repeat(4097) })).toBe(4096);
  });
  test("a url and a referrer of 8,192 bytes stay whole, one byte more is cut off", () => {
    expect(size({ url: "x".repeat(8192) })).toBe(8192);
    expect(size({ url: "x".repeat(8193) })).toBe(8192);
    expect(size({ referrer: "x".repeat(8193) })).toBe(8192);
  });
  test("no character is cut in two", () => {
    const cut = encode({ ...base, title: "x" + "\u00e9".repeat(3000) });
    expect(new TextDecoder("utf-8", { fatal: true }).decode(toBytes(cut.slice(bare + 3)))).toBe("x" + "\u00e9".repeat(2047));
  });
  test("what its author says is never cut", () => {
    expect(size({ name: "x".repeat(5000) })).toBe(5000);
  });
});
