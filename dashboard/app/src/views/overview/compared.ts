// What the rows of a list are compared with. Past ranges: the server compared them. A range that is not over: the same hours of
// the compared days, asked for beside it.

import type { BreakdownResponse, Row } from "../../gen/pistats/query/v1/query_pb.js";
import { TABLES, useReport } from "../../live/use.js";
import { metric } from "../../show/metrics.js";
import { sameHours } from "../../state/compare.js";
import { breakdown, timesRange } from "../../state/questions.js";
import type { Context } from "../context.js";
import { orderOf } from "./cards.js";

/** Rows that are looked through for the compared number; one that is not among them has none. */
const LOOKED = 1_000;

export function useComparedRows({ state, key, days, site, now }: Context, by: string, answer: BreakdownResponse | undefined): (row: Row) => number | undefined {
  const order = orderOf(by);
  const counted = metric(order);
  const times = sameHours(days, state.compare, site.zone, now);
  const question = times && breakdown(state, timesRange(times), { by, limit: LOOKED, order }, false);
  const before = useReport("breakdown", answer && key, question && { case: "breakdown", value: question }, TABLES);
  if (state.compare === "none") return () => undefined;
  if (!times) return (row) => counted.of(row.compared) ?? 0;
  const known = new Map(before.answer?.rows.map((row) => [row.value, counted.of(row.metrics)]));
  const isWhole = before.answer !== undefined && before.answer.totalRows <= BigInt(LOOKED);
  return (row) => known.get(row.value) ?? (isWhole ? 0 : undefined);
}
