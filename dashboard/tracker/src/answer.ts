// What the collector answers over grpc-web: frames of one flag byte, four of length, and the rest; the last one (flag 128)
// is text with the status. A call that fails at once has the status in its HTTP headers and no body.

/** One refused event; see Rejection of ingest.proto. */
export interface Rejection {
  /** Position in the request. */
  index: number;
  /** Number of the reason. */
  reason: number;
  /** Path of the guilty field. */
  field: string;
  /** What is wrong and what to do. */
  message: string;
}

export interface Answer {
  /** Of gRPC; 0 is OK. */
  status: number;
  message: string;
  rejections: Rejection[];
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The fields of a message, in order: numbers and bytes; other wire types are not in these messages. */
const walk = (bytes: Uint8Array, each: (number: number, value: number, part: Uint8Array) => void): void => {
  let at = 0;
  const varint = (): number => {
    const byte = bytes[at++] as number;
    // `undefined` past the end ends it, too.
    return byte > 127 ? byte - 128 + 128 * varint() : byte;
  };
  while (at < bytes.length) {
    const key = varint();
    const value = varint();
    const from = at;
    if (key % 8 == 2) at += value;
    each(key >> 3, value, bytes.subarray(from, at));
  }
};

/** Reads status and rejections; a body that is cut is status 2 (unknown), which is tried again. */
export const read = (headers: Pick<Headers, "get">, body: Uint8Array): Answer => {
  const rejections: Rejection[] = [];
  let trailer = "";
  for (let at = 0; at + 5 <= body.length; ) {
    const from = at + 5;
    const isTrailer = (body[at] as number) > 127;
    at = from + new DataView(body.buffer, body.byteOffset + at + 1).getUint32(0);
    const part = body.subarray(from, at);
    if (isTrailer) trailer = text(part);
    else
      walk(part, (number, _, bytes) => {
        if (number != 3) return;
        const fields: any[] = [, 0, 0, "", ""];
        walk(bytes, (number, value, bytes) => (fields[number] = number > 2 ? text(bytes) : value));
        const [, index, reason, field, message] = fields;
        rejections.push({ index, reason, field, message });
      });
  }
  const told = (name: string): string => headers.get(name) || new RegExp(name + ": *(.*)", "i").exec(trailer)?.[1] || "";
  return { status: +(told("grpc-status") || 2), message: decodeURIComponent(told("grpc-message")), rejections };
};
