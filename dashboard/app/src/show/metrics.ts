// The numbers of a report: how each is formed from the sums that the server sends, and what it means. Ratios are formed here
// and nowhere else; where there is nothing to divide by, there is no number.

import { Metric, type Metrics } from "../gen/pistats/query/v1/query_pb.js";

export type MetricKey =
  | "visitors" | "new_visitors" | "sessions" | "page_views" | "events" | "views_per_session" | "bounce_rate" | "session_time" | "value";

export interface MetricInfo {
  key: MetricKey;
  label: string;
  definition: string;
  kind: "count" | "ratio" | "percent" | "duration" | "money";
  /** Whether more is worse. */
  isInverse?: boolean;
  of(metrics: Metrics | undefined): number | undefined;
  order?: Metric;
}

function ratio(sum: bigint | undefined, count: bigint | undefined): number | undefined {
  return sum === undefined || !count ? undefined : Number(sum) / Number(count);
}

export const METRICS: readonly MetricInfo[] = [
  {
    key: "visitors", label: "Visitors", kind: "count", order: Metric.VISITORS, of: (m) => number(m?.visitors),
    definition: "Different visitors with a selected event in the range, counted exactly, each once.",
  },
  {
    key: "new_visitors", label: "New visitors", kind: "count", of: (m) => number(m?.newVisitors),
    definition: "Selected visitors whose first event ever lies in the range.",
  },
  {
    key: "sessions", label: "Sessions", kind: "count", order: Metric.SESSIONS, of: (m) => number(m?.sessions),
    definition: "Visits: a gap of more than 30 minutes starts a new one. A session counts where it starts, as a whole, when one of its events is selected.",
  },
  {
    key: "page_views", label: "Page views", kind: "count", order: Metric.PAGE_VIEWS, of: (m) => number(m?.pageViews),
    definition: "Selected events named page_view.",
  },
  {
    key: "events", label: "Events", kind: "count", order: Metric.EVENTS, of: (m) => number(m?.events),
    definition: "All selected events, page views among them.",
  },
  {
    key: "views_per_session", label: "Views per session", kind: "ratio", of: (m) => ratio(m?.sessionPageViews, m?.sessions),
    definition: "Page views of the sessions, divided by sessions.",
  },
  {
    key: "bounce_rate", label: "Bounce rate", kind: "percent", isInverse: true, of: (m) => ratio(m?.bounces, m?.sessions),
    definition: "Sessions of one single event, divided by sessions.",
  },
  {
    key: "session_time", label: "Session time", kind: "duration", of: (m) => ratio(m?.sessionUs, m?.sessions),
    definition: "Mean time from the first to the last event of a session; sessions of one event count as 0.",
  },
  {
    key: "value", label: "Value", kind: "money", order: Metric.VALUE_SUM,
    of: (m) => (m && m.valueCount > 0n ? Number(m.valueSumMicros) / 1e6 : undefined),
    definition: "Sum of what the selected events were worth, in the site's unit.",
  },
];

export const METRIC_KEYS = METRICS.map((metric) => metric.key);

const byKey = new Map(METRICS.map((metric) => [metric.key, metric]));

export function metric(key: MetricKey): MetricInfo {
  const found = byKey.get(key);
  if (!found) throw new Error(`no metric ${key}`);
  return found;
}

function number(count: bigint | undefined): number | undefined {
  return count === undefined ? undefined : Number(count);
}

/** By how much a number grew, as a share of what it was; undefined where it was nothing. */
export function growth(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || !before ? undefined : (now - before) / before;
}
