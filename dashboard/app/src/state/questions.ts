// The state of the page as questions to the server.

import { create } from "@bufbuild/protobuf";
import {
  Bots, BreakdownRequestSchema, FunnelOrder, FunnelRequestSchema, Interval, Metric, RangeSchema, RealtimeRequestSchema, RetentionMode,
  RetentionRequestSchema, TrafficRequestSchema, WeekStart, type BreakdownRequest, type FunnelRequest, type Range, type RetentionRequest, type TimeRange, type TrafficRequest,
} from "../gen/pistats/query/v1/query_pb.js";
import { COMPARES } from "./compare.js";
import { dimension, propertyOf } from "./dimensions.js";
import { asFilter, type FilterChoice } from "./filter.js";
import { intervals, type Days, type IntervalKey } from "./range.js";
import type { BotsKey, ListChoice, State } from "./url.js";

export const BOTS: Record<BotsKey, Bots> = { exclude: Bots.EXCLUDE, include: Bots.INCLUDE, only: Bots.ONLY };

const INTERVALS: Record<IntervalKey, Interval> = {
  minute: Interval.MINUTE, hour: Interval.HOUR, day: Interval.DAY, week: Interval.WEEK, month: Interval.MONTH,
};

const ORDERS: Record<ListChoice["order"], Metric> = {
  visitors: Metric.VISITORS, sessions: Metric.SESSIONS, page_views: Metric.PAGE_VIEWS, events: Metric.EVENTS, value: Metric.VALUE_SUM,
};

export function daysRange({ first, last }: Days): Range {
  return create(RangeSchema, { range: { case: "days", value: { first, last } } });
}

export function timesRange(value: TimeRange): Range {
  return create(RangeSchema, { range: { case: "times", value } });
}

/** The chosen interval, where it suits the days, else the one that does. */
export function intervalFor(state: State, days: Days): IntervalKey {
  const allowed = intervals(days);
  return state.interval && allowed.includes(state.interval) ? state.interval : allowed[0];
}

export function traffic(state: State, days: Days): TrafficRequest {
  return create(TrafficRequestSchema, {
    range: daysRange(days), interval: INTERVALS[intervalFor(state, days)], filters: state.filters.map(asFilter), bots: BOTS[state.bots], compare: COMPARES[state.compare],
  });
}

/** Totals of a stretch of instants: what a range that is not over is compared with. */
export function totals(state: State, times: TimeRange): TrafficRequest {
  return create(TrafficRequestSchema, { range: timesRange(times), filters: state.filters.map(asFilter), bots: BOTS[state.bots] });
}

export interface Rows {
  by: string;
  limit: number;
  offset?: number;
  order?: ListChoice["order"];
  /** Filters beside those of the state. */
  more?: FilterChoice[];
}

export function breakdown(state: State, range: Range, { by, limit, offset = 0, order = "visitors", more = [] }: Rows, isCompared = true): BreakdownRequest {
  return create(BreakdownRequestSchema, {
    range, dimension: dimension(by)?.number ?? 0, property: propertyOf(by) ?? "", filters: [...state.filters, ...more].map(asFilter), bots: BOTS[state.bots],
    orderBy: ORDERS[order], limit, offset, ...(isCompared ? { compare: COMPARES[state.compare] } : {}),
  });
}

export function realtime(bots: BotsKey, limit: number) {
  return create(RealtimeRequestSchema, { bots: BOTS[bots], limit });
}

/** Everything by month since the first instant that the server takes, to find the oldest event. */
export function everything(today: string): TrafficRequest {
  return create(TrafficRequestSchema, { range: daysRange({ first: "1970-01-01", last: today }), interval: Interval.MONTH, bots: Bots.INCLUDE });
}

export function retention({ retention: choice, filters, bots }: State, days: Days): RetentionRequest {
  const condition = (chosen: FilterChoice[]) => (chosen.length ? { filters: chosen.map(asFilter) } : undefined);
  const [startEvent, returnEvent] = [condition(choice.start), condition(choice.returning)];
  return create(RetentionRequestSchema, {
    range: daysRange(days), interval: INTERVALS[choice.by], weekStart: choice.week === "sunday" ? WeekStart.SUNDAY : WeekStart.MONDAY,
    mode: choice.mode === "recurring" ? RetentionMode.RECURRING : RetentionMode.FIRST_TIME, filters: filters.map(asFilter), bots: BOTS[bots],
    ...(startEvent ? { startEvent } : {}), ...(returnEvent ? { returnEvent } : {}),
  });
}

export function funnel({ funnel: choice, filters, bots }: State, days: Days): FunnelRequest {
  return create(FunnelRequestSchema, {
    range: daysRange(days), steps: choice.steps.map((step) => ({ filters: step.map(asFilter) })), filters: filters.map(asFilter), bots: BOTS[bots],
    limitUs: BigInt(choice.limit) * 1_000_000n, order: choice.order === "strict" ? FunnelOrder.STRICT : FunnelOrder.LOOSE, reentry: choice.reentry,
  });
}
