// The period that lies so many after a cohort's own.

import { addDays, addMonths, lastOfMonth } from "../../state/days.js";
import type { Days } from "../../state/range.js";
import type { RetentionChoice } from "../../state/url.js";

export function periodAfter({ first, last }: Days, by: RetentionChoice["by"], at: number): Days {
  if (by === "month") {
    const month = addMonths(first, at);
    return { first: month, last: lastOfMonth(month) };
  }
  const days = at * (by === "week" ? 7 : 1);
  return { first: addDays(first, days), last: addDays(last, days) };
}
