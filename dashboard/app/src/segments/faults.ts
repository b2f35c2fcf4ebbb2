// What the server finds wrong in a tree, put to the row that it is about.
//
// The server names fields by their path: `root.all.nodes[1].did.conditions[0].values`. A row knows its own (`pathsOf`); the
// deepest row whose path begins the fault's is the guilty one.

import { ConnectError } from "@connectrpc/connect";
import type { Draft } from "./draft.js";

export interface Fault {
  field: string;
  says: string;
}

/** The faults of an answer: those of its BadRequest, else the message alone, which belongs to no row. */
export function faultsOf(error: unknown): Fault[] {
  const { rawMessage, details } = ConnectError.from(error);
  const named = details.flatMap((detail) => ("type" in detail && detail.type === "google.rpc.BadRequest" && detail.value instanceof Uint8Array ? violations(detail.value) : []));
  return named.length > 0 ? named : [{ field: "", says: rawMessage }];
}

/**
 * google.rpc.BadRequest, read by hand: `field_violations` is field 1, and of each `field` is 1 and `description` 2. It is the one
 * message of google.rpc that the dashboard reads, and none of the contract's.
 */
function violations(bytes: Uint8Array): Fault[] {
  const fields = (part: Uint8Array): [number: number, value: Uint8Array][] => {
    const found: [number, Uint8Array][] = [];
    let at = 0;
    const varint = () => {
      let value = 0;
      for (let shift = 1; at < part.length; shift *= 128) {
        const byte = part[at++] ?? 0;
        value += (byte & 127) * shift;
        if (byte < 128) break;
      }
      return value;
    };
    while (at < part.length) {
      const key = varint();
      const value = varint();
      if (key % 8 !== 2) continue;
      found.push([key >> 3, part.subarray(at, (at += value))]);
    }
    return found;
  };
  const text = (of: [number, Uint8Array][], number: number) => new TextDecoder().decode(of.find(([known]) => known === number)?.[1]);
  return fields(bytes).filter(([number]) => number === 1).map(([, part]) => {
    const of = fields(part);
    return { field: text(of, 1), says: text(of, 2) };
  });
}

/** The path of a draft's clause within its node: `not` lies between them where the row is turned round. */
export function inner(path: string, draft: Draft): string {
  const at = draft.isNot ? `${path}.not` : path;
  return draft.kind === "all" || draft.kind === "any" ? `${at}.${draft.kind}` : at;
}

export function childPath(path: string, draft: Draft, index: number): string {
  return `${inner(path, draft)}.nodes[${index}]`;
}

/** Of the faults those that are this row's own: its path begins theirs, and none of its children's does. */
export function ownFaults(faults: Fault[], path: string, draft: Draft): Fault[] {
  const begins = (prefix: string, field: string) => field === prefix || field.startsWith(`${prefix}.`);
  const children = draft.kind === "all" || draft.kind === "any" ? draft.nodes.map((_, index) => childPath(path, draft, index)) : [];
  return faults.filter(({ field }) => begins(path, field) && !children.some((child) => begins(child, field)));
}
