// Numbers as text, in the reader's own language (Intl). Counts are exact, so they are shown whole as long as they fit (below ten
// million); above, and on axes, they are short (12.4K), and the whole number is one hover away.

import type { MetricInfo } from "./metrics.js";

const locale = typeof navigator === "undefined" ? "en" : navigator.language;
const cache = new Map<string, Intl.NumberFormat>();

function format(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = JSON.stringify(options);
  let found = cache.get(key);
  if (!found) cache.set(key, (found = new Intl.NumberFormat(locale, options)));
  return found;
}

export const NOTHING = "–";

export function whole(value: number | bigint): string {
  return format({ maximumFractionDigits: 0 }).format(value);
}

export function short(value: number | bigint): string {
  return Number(value) < 10_000_000 ? whole(value) : format({ notation: "compact", maximumFractionDigits: 2 }).format(value);
}

/** For axes: 9,999 stays, 12,345 is 12.3K. */
export function compact(value: number | bigint): string {
  return Number(value) < 10_000 ? whole(value) : format({ notation: "compact", maximumFractionDigits: 1 }).format(value);
}

export function decimal(value: number, digits = 1): string {
  return format({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** A share as per cent: 0.4213 is 42%, or 42.1% with a digit. */
export function percent(share: number, digits = 0): string {
  return format({ style: "percent", maximumFractionDigits: digits, minimumFractionDigits: digits }).format(share);
}

/** With its sign: +12%. */
export function change(share: number): string {
  const most = Math.abs(share) < 10 ? share : Math.sign(share) * 9.99;
  const text = format({ style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" }).format(most);
  return most === share ? text : `>${text.replace("+", "")}`;
}

/** Microseconds as people say them: 45s, 3m 05s, 2h 05m, 4d 3h. */
export function duration(us: number): string {
  const seconds = Math.round(us / 1e6);
  const two = (value: number) => String(value).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3600)}h`;
}

/** A short stretch of time, to be read as an accuracy: 1.2 s, 85 ms. */
export function latency(us: number): string {
  return us < 1e6 ? `${Math.round(us / 1000)} ms` : `${decimal(us / 1e6, us < 1e7 ? 1 : 0)} s`;
}

export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${decimal(value, unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

export function shown(metric: MetricInfo, value: number | undefined, isShort = true): string {
  if (value === undefined) return NOTHING;
  switch (metric.kind) {
    case "count": return isShort ? short(value) : whole(value);
    case "ratio": return decimal(value, 2);
    case "percent": return percent(value, isShort ? 0 : 2);
    case "duration": return duration(value);
    case "money": return isShort && Math.abs(value) >= 10_000_000 ? short(value) : decimal(value, 2);
  }
}

/** On an axis. */
export function ticked(metric: MetricInfo, value: number): string {
  return metric.kind === "count" || metric.kind === "money" ? (Number.isInteger(value) ? compact(value) : decimal(value, 1)) : shown(metric, value);
}
