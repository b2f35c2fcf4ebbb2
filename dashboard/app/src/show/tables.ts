// Reports as tables, for downloads: every sum as the server sent it, and the ratios formed of them.

import type { FunnelResponse, Metrics, RetentionResponse, Row, Step } from "../gen/pistats/query/v1/query_pb.js";
import type { Cell, Table } from "./csv.js";

const SUMS: [column: string, of: (metrics: Metrics) => Cell][] = [
  ["visitors", (m) => m.visitors],
  ["new_visitors", (m) => m.newVisitors],
  ["sessions", (m) => m.sessions],
  ["page_views", (m) => m.pageViews],
  ["events", (m) => m.events],
  ["bounces", (m) => m.bounces],
  ["session_seconds", (m) => Number(m.sessionUs) / 1e6],
  ["session_page_views", (m) => m.sessionPageViews],
  ["value_count", (m) => m.valueCount],
  ["value_sum", (m) => Number(m.valueSumMicros) / 1e6],
];

const cells = (metrics: Metrics | undefined): Cell[] => SUMS.map(([, of]) => (metrics ? of(metrics) : undefined));
const names = (prefix = ""): string[] => SUMS.map(([column]) => prefix + column);

export function stepsTable(steps: Step[], compared: Step[]): Table {
  const isCompared = compared.length > 0;
  return {
    columns: ["from", "to", "day", ...names(), ...(isCompared ? ["compared_day", ...names("compared_")] : [])],
    rows: steps.map((step, at) => [
      instant(step.fromUs), instant(step.toUs), step.day, ...cells(step.metrics), ...(isCompared ? [compared[at]?.day, ...cells(compared[at]?.metrics)] : []),
    ]),
  };
}

export function rowsTable(by: string, rows: Row[], isCompared: boolean): Table {
  return {
    columns: [by, ...names(), ...(isCompared ? names("compared_") : [])],
    rows: rows.map((row) => [row.value, ...cells(row.metrics), ...(isCompared ? cells(row.compared) : [])]),
  };
}

export function retentionTable({ cohorts }: RetentionResponse): Table {
  const width = Math.max(0, ...cohorts.map((cohort) => cohort.cells.length));
  return {
    columns: ["first_day", "last_day", "visitors", ...Array.from({ length: width }, (_, period) => `period_${period}`)],
    rows: cohorts.map((cohort) => [cohort.firstDay, cohort.lastDay, cohort.visitors, ...Array.from({ length: width }, (_, period) => cohort.cells[period])]),
  };
}

export function funnelTable({ steps }: FunnelResponse, labels: string[]): Table {
  return {
    columns: ["step", "name", "visitors", "runs", "seconds_since_previous_sum", "seconds_since_start_sum"],
    rows: steps.map((step, at) => [at + 1, labels[at] ?? "", step.visitors, step.runs, Number(step.sincePreviousUs) / 1e6, Number(step.sinceStartUs) / 1e6]),
  };
}

export function instant(us: bigint): string {
  return new Date(Number(us / 1000n)).toISOString();
}
