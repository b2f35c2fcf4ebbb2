// Days of the calendar, as ISO 8601 text: "2013-05-17". No clock and no zone in here: which day it is somewhere is told by
// zone.ts. Text, because days are compared, kept in the address and sent to the server as text.

export type Day = string;

const DAY_MS = 86_400_000;

function ms(day: Day): number {
  const [year, month, date] = day.split("-").map(Number);
  return Date.UTC(year ?? 1970, (month ?? 1) - 1, date ?? 1);
}

/** Whether the text is a day that exists. */
export function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && dayOf(ms(text)) === text;
}

/** The day of an instant as UTC shows it. */
export function dayOf(epochMs: number): Day {
  return new Date(epochMs).toISOString().slice(0, 10);
}

export function addDays(day: Day, days: number): Day {
  return dayOf(ms(day) + days * DAY_MS);
}

/** The same date `months` later; a date that the month does not have becomes its last one. */
export function addMonths(day: Day, months: number): Day {
  const first = new Date(ms(firstOfMonth(day)));
  first.setUTCMonth(first.getUTCMonth() + months);
  const last = Number(lastOfMonth(dayOf(first.getTime())).slice(8));
  return `${dayOf(first.getTime()).slice(0, 8)}${String(Math.min(Number(day.slice(8)), last)).padStart(2, "0")}`;
}

/** Days from the first to the last, both counted. */
export function daysBetween(first: Day, last: Day): number {
  return Math.round((ms(last) - ms(first)) / DAY_MS) + 1;
}

export function firstOfMonth(day: Day): Day {
  return `${day.slice(0, 8)}01`;
}

export function lastOfMonth(day: Day): Day {
  const date = new Date(ms(firstOfMonth(day)));
  date.setUTCMonth(date.getUTCMonth() + 1);
  return dayOf(date.getTime() - DAY_MS);
}

/** The instant at which UTC begins the day: for showing a day with a formatter that is set to UTC. */
export function asUtc(day: Day): Date {
  return new Date(ms(day));
}
