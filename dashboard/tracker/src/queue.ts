// Events that no answer has acknowledged yet.
//
//   localStorage   pistats:ID:KEY = bytes of the event       one entry an event: tabs never write over each other
//   memory         the same, where nothing may be stored, or storage is full or forbidden
//
// An entry's name begins with the event's id, which begins with its time: sorted names are the order of events. What a tab
// left behind, any other tab or the next page sends. Two tabs may send the same event: ids make that harmless (it counts
// once), which is why there is no lock between tabs.
//
// Bounded over all keys of the origin: the oldest goes first, and is told.
import type { Bytes } from "./encode.js";

/** Events kept at most. */
export const MOST_EVENTS = 1000;
/** Bytes of events kept at most: a tenth of what browsers grant an origin. */
export const MOST_BYTES = 500_000;
/** Bytes of a request: what browsers let a page still send while it is left (64 KiB), less the frame around it. */
export const REQUEST_BYTES = 60_000;

export type Box = Record<string, string>;

export interface Queue {
  add(id: string, bytes: Bytes): void;
  /** Names of the oldest events that fit into one request, without those in `except`; at least one, if there is one. */
  take(except?: ReadonlySet<string>): string[];
  get(name: string): Bytes;
  drop(names: readonly string[]): void;
}

/** `box` is localStorage, or what stands for it. `lost` is told how many old events made room. */
export const queue = (key: string, box: Box, lost: (count: number) => void): Queue => {
  /** For what localStorage does not take: it is full, or forbidden since. */
  const spare: Box = {};
  const get = (name: string): Bytes => spare[name] || box[name] || "";
  const names = (): string[] =>
    Object.keys(box)
      .concat(Object.keys(spare))
      .filter((name) => /^pistats:\w{32}:/.test(name))
      .sort();
  const drop = (names: readonly string[]): void => {
    for (const name of names) {
      delete box[name];
      delete spare[name];
    }
  };
  return {
    get,
    drop,
    add(id, bytes) {
      const name = `pistats:${id}:${key}`;
      try {
        box[name] = bytes;
      } catch {
        spare[name] = bytes;
      }
      let size = 0;
      let count = 0;
      // From the newest on: what no longer fits has to go.
      const old = names()
        .reverse()
        .filter((name) => (size += get(name).length) > MOST_BYTES || ++count > MOST_EVENTS);
      if (old[0]) {
        drop(old);
        lost(old.length);
      }
    },
    take(except) {
      let size = 0;
      return names()
        .filter((name) => name.slice(41) == key && !except?.has(name))
        // 20 bytes an event: its frame, and the time of sending.
        .filter((name, at) => (size += get(name).length + 20) <= REQUEST_BYTES || !at);
    },
  };
};
