// The sizes of a segment by day, as the server counts them: today's first, so that they come in one by one.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../calls/clients.js";
import { sentence } from "../calls/failure.js";
import { addDays, type Day } from "../state/days.js";

/** Of a day whose size has not come in yet, none. */
export interface Sized {
  day: Day;
  size: number | undefined;
}

export interface Sizes {
  sizes: ReadonlyMap<Day, number>;
  isWhole: boolean;
  problem?: string;
}

const NOTHING: Sizes = { sizes: new Map(), isWhole: false };

/** Every day up to today, the oldest first; today's size is the one that is watched, which is newer. Pure. */
export function byDay({ sizes }: Sizes, today: Day, days: number, now: number | undefined): Sized[] {
  const all = Array.from({ length: days }, (_, place) => addDays(today, place + 1 - days));
  return all.map((day) => ({ day, size: (day === today ? now : undefined) ?? sizes.get(day) }));
}

/** Counted again when the segment is another, or the day. */
export function useSizes(key: string | undefined, id: string, version: number, today: Day, days: number): Sizes {
  const [sizes, setSizes] = useState<Sizes>(NOTHING);
  useEffect(() => {
    setSizes(NOTHING);
    if (!key || version === 0) return;
    const ended = new AbortController();
    read(key, id, days, ended.signal, setSizes).catch((error: unknown) => ended.signal.aborted || setSizes((before) => ({ ...before, problem: sentence(error) })));
    return () => ended.abort();
  }, [key, id, version, today, days]);
  return sizes;
}

async function read(key: string, id: string, days: number, signal: AbortSignal, tell: (sizes: Sizes) => void): Promise<void> {
  const sizes = new Map<Day, number>();
  for await (const { day, size } of calls(key).segment.listSizes({ id, days }, { signal })) {
    sizes.set(day, Number(size));
    tell({ sizes: new Map(sizes), isWhole: false });
  }
  tell({ sizes, isWhole: true });
}
