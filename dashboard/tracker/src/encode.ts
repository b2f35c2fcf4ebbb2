// pistats.ingest.v1.Event and CollectRequest in Protobuf's wire format, by hand.
//
// Bytes are kept as text of one character a byte (U+0000 to U+00FF): such text concatenates, goes into localStorage as it is,
// and minifies better than arrays. `toBytes` makes bytes of it at the very end.
//
// Why not the generated code: it alone is several times as large as the whole tracker may be (docs/adr/0025). What keeps this
// right instead: vectors/events.json holds the bytes of every field, this encoder must make exactly these, and the Rust types
// must read them (proto/tests/tracker.rs).

/** Bytes, one a character. */
export type Bytes = string;

/** An event as the tracker knows it; the numbers are those of ingest.proto. */
export interface Event {
  /** UUID version 7, 32 hexadecimal digits. */
  id: string;
  timeUs: number;
  visitor?: string | undefined;
  user?: string | undefined;
  /** Empty: page_view. */
  name?: string | undefined;
  url?: string | undefined;
  referrer?: string | undefined;
  title?: string | undefined;
  topics?: readonly string[] | undefined;
  language?: string | undefined;
  timeZone?: string | undefined;
  width?: number | undefined;
  height?: number | undefined;
  /** In the site's unit; sent in millionths. */
  value?: number | undefined;
  props?: Readonly<Record<string, unknown>> | undefined;
}

const bytesOf = (numbers: Iterable<number | bigint>): Bytes => {
  let bytes = "";
  for (const each of numbers) bytes += String.fromCharCode(Number(each));
  return bytes;
};

/** A number of 64 bits, low seven bits first; a negative one as its two's complement. */
export const varint = (value: number): Bytes => {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(Math.round(value)));
  for (; rest > 127n; rest >>= 7n) bytes.push((rest & 127n) | 128n);
  return bytesOf([...bytes, rest]);
};

/** A field of the length-delimited kind. */
export const field = (number: number, bytes: Bytes): Bytes => varint(number * 8 + 2) + varint(bytes.length) + bytes;

/** A number's field; what is no number is left out. */
const numberField = (number: number, value: number | undefined): Bytes =>
  isFinite(value as number) ? varint(number * 8) + varint(value as number) : "";

/**
 * UTF-8 without NUL, which the collector refuses.
 *
 * Twenty thousand characters are beyond every limit of the collector: what is longer is refused by it, and told, all the same.
 */
export const utf8 = (text: unknown): Bytes => bytesOf(new TextEncoder().encode(String(text).slice(0, 2e4).replace(/\0/g, "")));

/**
 * A text's field; no text is left out. What a page says of itself is cut at the collector's limit (`most` bytes), between
 * characters: a long title loses no page view. What its author says is never cut, so that too much is refused, and told.
 */
const textField = (number: number, text: string | undefined, most = 1e5): Bytes => {
  let bytes = utf8(text || "");
  if (bytes.length > most) bytes = bytes.slice(0, most).replace(/[\xc0-\xff][\x80-\xbf]*$/, "");
  return bytes && field(number, bytes);
};

/** An event without `sent_at_us`, which is known when it is sent. */
export const encode = (event: Event): Bytes => {
  const { topics = [], props = {}, value } = event;
  let bytes =
    field(1, event.id.replace(/../g, (digits) => bytesOf([+`0x${digits}`]))) +
    numberField(2, event.timeUs) +
    textField(4, event.visitor) +
    textField(5, event.user) +
    textField(6, event.name) +
    textField(7, event.url, 8192) +
    textField(8, event.referrer, 8192) +
    textField(9, event.title, 4096);
  for (const topic of topics) bytes += textField(10, topic);
  bytes +=
    textField(11, event.language) +
    textField(12, event.timeZone) +
    numberField(13, event.width) +
    numberField(14, event.height) +
    // Cut to what 64 bits hold, so that too much is refused as too much and does not come out as another number.
    numberField(18, Math.max(-9e18, Math.min(9e18, (value as number) * 1e6)));
  for (const key in props) {
    const value = props[key];
    // Nothing stays nothing, and what has parts is written as JSON.
    if (value != null) bytes += field(19, field(1, utf8(key)) + field(2, utf8(typeof value == "object" ? JSON.stringify(value) : value)));
  }
  return bytes;
};

/** A CollectRequest of encoded events. Protobuf lets a field be appended: each gets the time of this sending. */
export const request = (events: readonly Bytes[], sentAtUs: number): Bytes =>
  events.map((bytes) => field(1, bytes + numberField(3, sentAtUs))).join("");

/** The message in a frame of grpc-web: no flag, and its length in four bytes. */
export const frame = (message: Bytes): Bytes => "\0" + bytesOf([24, 16, 8, 0].map((by) => (message.length >> by) & 255)) + message;

export const toBytes = (bytes: Bytes): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes, (each) => each.charCodeAt(0));
