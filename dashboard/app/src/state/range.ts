// Which stretch of time a view shows: chosen by key, moved by arrows, resolved to days of the site.
//
// A range that reaches today ends today: what is still to come has no numbers. A moved range remembers a day in it.

import { addDays, addMonths, daysBetween, firstOfMonth, lastOfMonth, type Day } from "./days.js";

export type RangeKey = "today" | "yesterday" | "day" | "7d" | "30d" | "month" | "year" | "all" | "custom";

export interface RangeChoice {
  key: RangeKey;
  /** Of a moved range: its day, the last of its days, or any day of its month or year. Absent: the one with today. */
  date?: Day;
  /** Of a custom range. */
  first?: Day;
  last?: Day;
}

export interface Days {
  first: Day;
  last: Day;
}

export type IntervalKey = "minute" | "hour" | "day" | "week" | "month";

export const RANGE_NAMES: Record<RangeKey, string> = {
  today: "Today", yesterday: "Yesterday", day: "Day", "7d": "Last 7 days", "30d": "Last 30 days", month: "Month",
  year: "Year", all: "All time", custom: "Custom range",
};

/** The days that are meant, where today is known. `oldest` is the site's first day with an event, if that is known. */
export function resolve(choice: RangeChoice, today: Day, oldest?: Day): Days {
  const date = choice.date ?? today;
  const until = (day: Day): Day => (day > today && date <= today ? today : day);
  switch (choice.key) {
    case "today": return { first: today, last: today };
    case "yesterday": return { first: addDays(today, -1), last: addDays(today, -1) };
    case "day": return { first: date, last: date };
    case "7d": return { first: addDays(date, -6), last: date };
    case "30d": return { first: addDays(date, -29), last: date };
    case "month": return { first: firstOfMonth(date), last: until(lastOfMonth(date)) };
    case "year": return { first: `${date.slice(0, 4)}-01-01`, last: until(`${date.slice(0, 4)}-12-31`) };
    case "all": return { first: oldest && oldest < today ? oldest : addDays(today, -364), last: today };
    case "custom": {
      const first = choice.first ?? today;
      const last = choice.last ?? first;
      return first <= last ? { first, last } : { first: last, last: first };
    }
  }
}

/** The range before (-1) or after (1); the same one where there is none. */
export function move(choice: RangeChoice, by: -1 | 1, today: Day): RangeChoice {
  const { first, last } = resolve(choice, today);
  const anchored = (key: RangeKey, date: Day): RangeChoice => (date >= today ? { key } : { key, date });
  if (by === 1 && last >= today) return choice;
  switch (choice.key) {
    case "today":
    case "yesterday":
    case "day": {
      const date = addDays(first, by);
      return date >= today ? { key: "today" } : { key: "day", date };
    }
    case "7d": return anchored("7d", addDays(last, by * 7));
    case "30d": return anchored("30d", addDays(last, by * 30));
    case "month": {
      const date = addMonths(first, by);
      return date >= firstOfMonth(today) ? { key: "month" } : { key: "month", date };
    }
    case "year": {
      const date = addMonths(first, by * 12);
      return date.slice(0, 4) >= today.slice(0, 4) ? { key: "year" } : { key: "year", date };
    }
    case "all": return choice;
    case "custom": {
      const length = daysBetween(first, last) * by;
      return { key: "custom", first: addDays(first, length), last: addDays(last, length) };
    }
  }
}

/** Steps of time that suit so many days, the one to begin with first. */
export function intervals({ first, last }: Days): [IntervalKey, ...IntervalKey[]] {
  const days = daysBetween(first, last);
  if (days <= 1) return ["hour", "minute"];
  if (days <= 14) return ["day", "hour"];
  if (days <= 92) return ["day", "week"];
  if (days <= 1500) return ["month", "week", "day"];
  return ["month", "week"];
}
