// An answer brought up to date by the messages of a watched report: the same rules as `apply` and `Watched` of the contract
// crate (proto/src/convert/query/delta), in TypeScript.
//
// Pure: what was known is never changed, so that a view can compare the answer before with the one after. A message that
// does not belong to what is known is `Misapplied`; then only a new snapshot helps.

import type { AsOf, BreakdownDelta, BreakdownResponse, Delta, Snapshot, Step, TrafficDelta, TrafficResponse, WatchResponse } from "../gen/pistats/query/v1/query_pb.js";

/** One report as its reader knows it. */
export interface Watched {
  readonly answer?: Snapshot;
  /** State of the answer, as the server counts; 0n: the next delta may have any number. */
  readonly number: bigint;
}

export const UNKNOWN: Watched = { number: 0n };

export class Misapplied extends Error {}

/** What to go on from after a cut. Another server counts its states anew, so the number is forgotten. */
export function resume(known: Watched): { known: Watched; from?: AsOf } {
  const from = asOf(known.answer);
  return { known: { ...known, number: 0n }, ...(from ? { from } : {}) };
}

export function asOf(answer: Snapshot | undefined): AsOf | undefined {
  return answer?.report.value?.asOf;
}

/** Takes the next message of a report. */
export function take(known: Watched, message: WatchResponse): Watched {
  const { content, number } = message;
  if (content.case === "snapshot") return { answer: content.value, number };
  if (content.case !== "delta") throw new Misapplied("the message has no content");
  if (!known.answer || (known.number !== 0n && number !== known.number + 1n)) {
    throw new Misapplied(`a delta to state ${number} came after state ${known.number}`);
  }
  return { answer: apply(known.answer, content.value, message.asOf), number };
}

export function apply(answer: Snapshot, delta: Delta, asOf: AsOf | undefined): Snapshot {
  const before = answer.report;
  const after = delta.report;
  const known = { ...answer };
  const mark = asOf ? { asOf } : {};
  if (before.case === "traffic" && after.case === "traffic") {
    known.report = { case: "traffic", value: { ...traffic(before.value, after.value), ...mark } };
  } else if (before.case === "breakdown" && after.case === "breakdown") {
    known.report = { case: "breakdown", value: { ...breakdown(before.value, after.value), ...mark } };
  } else if (before.case === "retention" && after.case === "retention") {
    const cohorts = replaced(before.value.cohorts, after.value.cohorts, (cohort) => cohort.firstDay);
    known.report = { case: "retention", value: { ...before.value, cohorts, ...mark } };
  } else if (before.case === "funnel" && after.case === "funnel") {
    known.report = { case: "funnel", value: { ...after.value, ...mark } };
  } else if (before.case === "realtime" && after.case === "realtime") {
    known.report = { case: "realtime", value: { ...after.value, ...mark } };
  } else {
    throw new Misapplied(`a delta of ${after.case} does not belong to a report of ${before.case}`);
  }
  return known;
}

function traffic(before: TrafficResponse, delta: TrafficDelta): TrafficResponse {
  const from = (step: Step) => step.fromUs;
  const after = {
    ...before,
    steps: replaced(before.steps, delta.steps, from),
    comparedSteps: replaced(before.comparedSteps, delta.comparedSteps, from),
  };
  if (delta.total) after.total = delta.total;
  if (delta.comparedTotal) after.comparedTotal = delta.comparedTotal;
  return after;
}

function breakdown(before: BreakdownResponse, delta: BreakdownDelta): BreakdownResponse {
  const { totalRows } = delta;
  if (delta.emptied) return { ...before, rows: [], totalRows };
  if (delta.order.length === 0) return { ...before, rows: replaced(before.rows, delta.rows, (row) => row.value), totalRows };
  const latest = new Map([...before.rows, ...delta.rows].map((row) => [row.value, row]));
  const rows = delta.order.map((value) => {
    const row = latest.get(value);
    if (!row) throw new Misapplied(`the delta names ${JSON.stringify(value)}, which the answer before it does not have`);
    return row;
  });
  return { ...before, rows, totalRows };
}

/** The items, with those of the same key put in place. */
function replaced<T, K>(items: T[], changed: T[], key: (item: T) => K): T[] {
  if (changed.length === 0) return items;
  const places = new Map(items.map((item, place) => [key(item), place]));
  const after = [...items];
  for (const item of changed) {
    const place = places.get(key(item));
    if (place === undefined) throw new Misapplied(`the delta names ${String(key(item))}, which the answer before it does not have`);
    after[place] = item;
  }
  return after;
}
