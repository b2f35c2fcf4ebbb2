// Days and instants as text, in the reader's language and the site's time zone.

import { asUtc, type Day } from "../state/days.js";
import type { Days, IntervalKey } from "../state/range.js";

const locale = typeof navigator === "undefined" ? "en" : navigator.language;
const cache = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let found = cache.get(key);
  if (!found) cache.set(key, (found = new Intl.DateTimeFormat(locale, { timeZone: zone, ...options })));
  return found;
}

export function dayText(day: Day, options: Intl.DateTimeFormatOptions = { dateStyle: "medium" }): string {
  return format("UTC", options).format(asUtc(day));
}

/** "1 – 7 Nov 2026", as the language writes it. */
export function daysText({ first, last }: Days): string {
  const formatter = format("UTC", { year: "numeric", month: "short", day: "numeric" });
  return first === last ? formatter.format(asUtc(first)) : formatter.formatRange(asUtc(first), asUtc(last));
}

/** A step of time, long enough to be understood alone. */
export function stepText(fromMs: number, zone: string, interval: IntervalKey): string {
  switch (interval) {
    case "minute":
    case "hour": return format(zone, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(fromMs);
    case "day": return format(zone, { weekday: "short", day: "numeric", month: "short", year: "numeric" }).format(fromMs);
    case "week": return `Week of ${format(zone, { day: "numeric", month: "short", year: "numeric" }).format(fromMs)}`;
    case "month": return format(zone, { month: "long", year: "numeric" }).format(fromMs);
  }
}

/** A step of time on an axis: short. */
export function tickText(fromMs: number, zone: string, interval: IntervalKey, isOneDay: boolean): string {
  switch (interval) {
    case "minute":
    case "hour": return format(zone, isOneDay ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", hour: "2-digit" }).format(fromMs);
    case "day":
    case "week": return format(zone, { day: "numeric", month: "short" }).format(fromMs);
    case "month": return format(zone, { month: "short", year: "2-digit" }).format(fromMs);
  }
}

export function instantText(epochMs: number, zone: string): string {
  return format(zone, { dateStyle: "medium", timeStyle: "medium" }).format(epochMs);
}

export function clockText(epochMs: number, zone: string): string {
  return format(zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(epochMs);
}

export function minuteText(epochMs: number, zone: string): string {
  return format(zone, { hour: "2-digit", minute: "2-digit" }).format(epochMs);
}

/** "3 minutes ago". */
export function agoText(thenMs: number, nowMs: number): string {
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const seconds = Math.round((thenMs - nowMs) / 1000);
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3600], ["minute", 60]];
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return relative.format(seconds, "second");
}
