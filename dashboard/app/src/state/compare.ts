// What a range is compared with. Whole past ranges are compared by the server; a range that is not over yet is compared
// with the same hours: its days up to now, moved back, which the server is asked for as a stretch of instants.

import { TimeRangeSchema, type TimeRange, Compare } from "../gen/pistats/query/v1/query_pb.js";
import { create } from "@bufbuild/protobuf";
import { addDays, addMonths, daysBetween, type Day } from "./days.js";
import type { Days } from "./range.js";
import { instantOf, localDay, timeOfDay } from "./zone.js";

export type CompareKey = "none" | "previous" | "year" | "weekdays";

export const COMPARE_NAMES: Record<CompareKey, string> = {
  none: "No comparison", previous: "Previous period", year: "Same dates last year", weekdays: "Same weekdays last year",
};

export const COMPARES: Record<CompareKey, Compare> = {
  none: Compare.UNSPECIFIED, previous: Compare.PREVIOUS_PERIOD, year: Compare.PREVIOUS_YEAR,
  weekdays: Compare.PREVIOUS_YEAR_WEEKDAYS,
};

/** What X leads to. */
export function nextCompare(key: CompareKey): CompareKey {
  const order: CompareKey[] = ["none", "previous", "year", "weekdays"];
  return order[(order.indexOf(key) + 1) % order.length] ?? "none";
}

/** The compared day of a day, as the server has it. */
export function comparedDay(day: Day, days: Days, compare: CompareKey): Day {
  switch (compare) {
    case "none": return day;
    case "previous": return addDays(day, -daysBetween(days.first, days.last));
    case "year": return addMonths(day, -12);
    case "weekdays": return addDays(day, -364);
  }
}

/** The compared stretch of a range that is not over: from its first midnight to the time that it is now, to the minute, on
 * the compared day of today. Undefined for ranges that are over, and without a comparison. */
export function sameHours(days: Days, compare: CompareKey, zone: string, nowMs: number): TimeRange | undefined {
  const today = localDay(zone, nowMs);
  if (compare === "none" || days.last !== today) return undefined;
  const from = instantOf(zone, comparedDay(days.first, days, compare));
  const clock = Math.floor(timeOfDay(zone, nowMs) / 60_000) * 60_000;
  const to = instantOf(zone, comparedDay(today, days, compare), clock);
  // Right after midnight nothing is there to compare with.
  if (to <= from) return undefined;
  return create(TimeRangeSchema, { fromUs: BigInt(from) * 1000n, toUs: BigInt(to) * 1000n });
}
