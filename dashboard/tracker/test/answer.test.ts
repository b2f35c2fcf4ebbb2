// What the tracker makes of answers, whole and broken.
import { expect, test } from "vitest";
import { read } from "../src/answer.js";

const none = { get: () => null };

/** A frame of grpc-web. */
const framed = (flag: number, bytes: Uint8Array | string): Uint8Array => {
  const body = typeof bytes == "string" ? new TextEncoder().encode(bytes) : bytes;
  const head = new Uint8Array(5);
  head[0] = flag;
  new DataView(head.buffer).setUint32(1, body.length);
  return new Uint8Array([...head, ...body]);
};
const answer = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(parts.flatMap((part) => [...part]));

/** CollectResponse { accepted: 300, duplicates: 1, rejections: [{ index: 129, reason: 4, field: "a", message: "é" }] } */
const refusing = Uint8Array.from([
  0x08, 0xac, 0x02, 0x10, 0x01, 0x1a, 0x0c, 0x08, 0x81, 0x01, 0x10, 0x04, 0x1a, 0x01, 0x61, 0x22, 0x02, 0xc3, 0xa9,
]);

test("an answer with refusals tells each of them", () => {
  const read_ = read(none, answer(framed(0, refusing), framed(128, "grpc-status:0\r\n")));
  expect(read_).toEqual({ status: 0, message: "", rejections: [{ index: 129, reason: 4, field: "a", message: "é" }] });
});

test("a status in the headers counts, and its message is read", () => {
  const headers = { get: (name: string) => ({ "grpc-status": "7", "grpc-message": "a%20foreign%20origin" })[name] ?? null };
  expect(read(headers, new Uint8Array())).toEqual({ status: 7, message: "a foreign origin", rejections: [] });
});

test("a status in the last frame counts, however it is written", () => {
  expect(read(none, framed(128, "Grpc-Status: 8\r\ngrpc-message: busy\r\n"))).toMatchObject({ status: 8, message: "busy" });
});

test("an answer that is cut anywhere before its end is tried again", () => {
  const whole = answer(framed(0, refusing), framed(128, "grpc-status:0"));
  expect(read(none, whole).status).toBe(0);
  for (let length = 0; length < whole.length; length++) {
    let status = 2;
    try {
      status = read(none, whole.subarray(0, length)).status;
    } catch {} // What cannot be read is a failure, too.
    expect(status, `cut at ${length}`).toBe(2);
  }
});

test("a page of HTML instead of an answer is tried again", () => {
  expect(read(none, new TextEncoder().encode("<!doctype html><html><body>502</body></html>")).status).toBe(2);
});
