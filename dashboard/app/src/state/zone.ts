// The site's time zone: which day it is there, and when its days begin. The server does all counting by days; this is for
// "today", for the same hours of another day, and for labels.
//
// Zone rules come from the browser (Intl). A day begins at the first instant that shows its date: where the clock skips
// midnight that is not 00:00.

import { addDays, dayOf, type Day } from "./days.js";

const parts = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string): Intl.DateTimeFormat {
  let found = parts.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    parts.set(zone, found);
  }
  return found;
}

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** What a clock in the zone shows, written as if it were UTC, milliseconds. */
function wall(zone: string, epochMs: number): number {
  const field: Record<string, number> = {};
  for (const part of formatter(zone).formatToParts(epochMs)) field[part.type] = Number(part.value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** How far the zone's clock is ahead of UTC at an instant, milliseconds. */
export function offsetAt(zone: string, epochMs: number): number {
  return wall(zone, epochMs) - Math.floor(epochMs / 1000) * 1000;
}

export function localDay(zone: string, epochMs: number): Day {
  return dayOf(wall(zone, epochMs));
}

/** Milliseconds of the clock since its midnight: the same number means the same time of the day. */
export function timeOfDay(zone: string, epochMs: number): number {
  return ((wall(zone, epochMs) % 86_400_000) + 86_400_000) % 86_400_000;
}

/** The instant at which the zone's clock shows this day and time; the earlier one where it shows it twice, the first one
 * after the gap where it never does. */
export function instantOf(zone: string, day: Day, clockMs = 0): number {
  const wanted = Date.parse(`${day}T00:00:00Z`) + clockMs;
  const before = wanted - offsetAt(zone, wanted - 86_400_000);
  const after = wanted - offsetAt(zone, wanted + 86_400_000);
  const [early, late] = before < after ? [before, after] : [after, before];
  if (wall(zone, early) === wanted) return early;
  if (wall(zone, late) === wanted) return late;
  return gapEnd(zone, early, late);
}

/** The first instant after a jump of the clock between two instants. */
function gapEnd(zone: string, early: number, late: number): number {
  let low = early;
  let high = late;
  const offset = offsetAt(zone, low);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle) === offset) low = middle;
    else high = middle;
  }
  return high;
}

export function startOfDay(zone: string, day: Day): number {
  return instantOf(zone, day);
}

export function endOfDay(zone: string, day: Day): number {
  return instantOf(zone, addDays(day, 1));
}
