// The state of the page, as it stands in its address: a page can be shared, and the back button works.
//
// The path is the view, the query is everything else; what is as usual is left out. Reading what was written gives the same
// state; what cannot be read is as usual. Keys are never in here: an address is shown and passed on.

import { isDay } from "./days.js";
import { COMPARE_NAMES, type CompareKey } from "./compare.js";
import { dimension, SEGMENT } from "./dimensions.js";
import { readFilter, writeFilter, type FilterChoice } from "./filter.js";
import { RANGE_NAMES, type IntervalKey, type RangeChoice, type RangeKey } from "./range.js";
import { METRIC_KEYS, type MetricKey } from "../show/metrics.js";

export const VIEWS = ["overview", "live", "retention", "funnels", "journeys", "segments", "campaigns", "sites", "setup", "pipeline"] as const;
export type View = (typeof VIEWS)[number];

export type BotsKey = "exclude" | "include" | "only";

/** The page of all rows of one dimension. */
export interface ListChoice {
  by: string;
  /** Rows before the first one shown. */
  offset: number;
  search: string;
  order: "visitors" | "sessions" | "page_views" | "events" | "value";
}

export interface RetentionChoice {
  by: "day" | "week" | "month";
  mode: "first" | "recurring";
  week: "monday" | "sunday";
  start: FilterChoice[];
  returning: FilterChoice[];
}

export interface FunnelChoice {
  /** Each the filters of one step. */
  steps: FilterChoice[][];
  /** Seconds from the first step to the last; 0: no limit. */
  limit: number;
  order: "loose" | "strict";
  reentry: boolean;
}

export interface SegmentChoice {
  /** The segment that is shown; `new` for one that is not kept yet. */
  id: string;
  isEdited: boolean;
  /** What is being edited, as JSON of the contract's tree. */
  tree: string;
}

export interface CampaignChoice {
  /** The campaign that is shown; `new` for one that is not kept yet. */
  id: string;
  isEdited: boolean;
  /** Of a new one: the segment that it is begun with. */
  segment: string;
}

/** Which of all sites are shown. */
export interface SitesChoice {
  /** Sites before the first one shown. */
  offset: number;
  search: string;
}

export interface State {
  view: View;
  /** Name of the site. */
  site: string;
  range: RangeChoice;
  compare: CompareKey;
  /** Absent: what suits the range. */
  interval?: IntervalKey | undefined;
  metric: MetricKey;
  bots: BotsKey;
  filters: FilterChoice[];
  /** Which dimension each card shows, where it is not its first one. */
  cards: Record<string, string>;
  list?: ListChoice | undefined;
  retention: RetentionChoice;
  funnel: FunnelChoice;
  /** Whose journey. */
  visitor: string;
  segment: SegmentChoice;
  campaign: CampaignChoice;
  sites: SitesChoice;
}

export const USUAL: State = {
  view: "overview", site: "", range: { key: "7d" }, compare: "none", metric: "visitors", bots: "exclude", filters: [], cards: {},
  retention: { by: "week", mode: "first", week: "monday", start: [], returning: [] },
  funnel: { steps: [], limit: 0, order: "loose", reentry: false },
  visitor: "", segment: { id: "", isEdited: false, tree: "" }, campaign: { id: "", isEdited: false, segment: "" },
  sites: { offset: 0, search: "" },
};

const CARDS = ["sources", "pages", "places", "devices", "events"];
const INTERVALS: IntervalKey[] = ["minute", "hour", "day", "week", "month"];
const ORDERS: ListChoice["order"][] = ["visitors", "sessions", "page_views", "events", "value"];

export function writeState(state: State): string {
  const query = new URLSearchParams();
  const put = (name: string, value: string, usual = "") => value !== usual && query.append(name, value);
  put("site", state.site);
  const { key, date, first, last } = state.range;
  if (key === "custom") put("range", `${first ?? ""}..${last ?? ""}`);
  else put("range", key, USUAL.range.key);
  if (key !== "custom") put("date", date ?? "");
  put("compare", state.compare, "none");
  put("interval", state.interval ?? "");
  put("metric", state.metric, "visitors");
  put("bots", state.bots, "exclude");
  for (const filter of state.filters) put("f", writeFilter(filter));
  for (const card of CARDS) put(card, state.cards[card] ?? "");
  if (state.list) {
    put("list", state.list.by);
    put("offset", String(state.list.offset), "0");
    put("search", state.list.search);
    put("order", state.list.order, "visitors");
  }
  const { retention, funnel } = state;
  put("by", retention.by, "week");
  put("mode", retention.mode, "first");
  put("week", retention.week, "monday");
  for (const filter of retention.start) put("start", writeFilter(filter));
  for (const filter of retention.returning) put("return", writeFilter(filter));
  // A step may have several filters, or none: any event.
  for (const step of funnel.steps) query.append("step", JSON.stringify(step.map(writeFilter)));
  put("limit", String(funnel.limit), "0");
  put("sequence", funnel.order, "loose");
  put("reentry", funnel.reentry ? "yes" : "");
  put("visitor", state.visitor);
  if (state.view === "segments") {
    put("segment", state.segment.id);
    put("edit", state.segment.isEdited ? "yes" : "");
    put("tree", state.segment.tree);
  }
  if (state.view === "campaigns") {
    put("campaign", state.campaign.id);
    put("edit", state.campaign.isEdited ? "yes" : "");
    put("segment", state.campaign.segment);
  }
  if (state.view === "sites") {
    put("after", String(state.sites.offset), "0");
    put("named", state.sites.search);
  }
  const text = query.toString();
  return `/${state.view === "overview" ? "" : state.view}${text && "?"}${text}`;
}

export function readState(address: { pathname: string; search: string }): State {
  const query = new URLSearchParams(address.search);
  const one = <T extends string>(name: string, among: readonly T[], usual: T): T => {
    const value = query.get(name) as T | null;
    return value !== null && among.includes(value) ? value : usual;
  };
  const filters = (name: string) => query.getAll(name).flatMap((text) => readFilter(text) ?? []);
  const view = VIEWS.find((known) => address.pathname === `/${known}`) ?? "overview";
  const isEdited = query.get("edit") === "yes";
  const state: State = {
    view,
    site: query.get("site") ?? "",
    range: readRange(query),
    compare: one("compare", Object.keys(COMPARE_NAMES) as CompareKey[], "none"),
    metric: one("metric", METRIC_KEYS, "visitors"),
    bots: one("bots", ["exclude", "include", "only"], "exclude"),
    filters: filters("f"),
    cards: {},
    retention: {
      by: one("by", ["day", "week", "month"], "week"),
      mode: one("mode", ["first", "recurring"], "first"),
      week: one("week", ["monday", "sunday"], "monday"),
      start: filters("start"),
      returning: filters("return"),
    },
    funnel: {
      steps: query.getAll("step").flatMap((text) => readStep(text) ?? []).slice(0, 20),
      limit: natural(query.get("limit")),
      order: one("sequence", ["loose", "strict"], "loose"),
      reentry: query.get("reentry") === "yes",
    },
    visitor: query.get("visitor") ?? "",
    segment: view === "segments" ? { id: query.get("segment") ?? "", isEdited, tree: query.get("tree") ?? "" } : USUAL.segment,
    campaign: view === "campaigns" ? { id: query.get("campaign") ?? "", isEdited, segment: query.get("segment") ?? "" } : USUAL.campaign,
    sites: view === "sites" ? { offset: natural(query.get("after")), search: query.get("named") ?? "" } : USUAL.sites,
  };
  const interval = query.get("interval") as IntervalKey | null;
  if (interval && INTERVALS.includes(interval)) state.interval = interval;
  for (const card of CARDS) {
    const by = query.get(card);
    if (by && by !== SEGMENT.slug && dimension(by)) state.cards[card] = by;
  }
  const by = query.get("list");
  if (by && by !== SEGMENT.slug && dimension(by)) {
    state.list = { by, offset: natural(query.get("offset")), search: query.get("search") ?? "", order: one("order", ORDERS, "visitors") };
  }
  return state;
}

function readRange(query: URLSearchParams): RangeChoice {
  const text = query.get("range") ?? USUAL.range.key;
  const [first = "", last = ""] = text.split("..");
  if (isDay(first) && isDay(last)) return { key: "custom", first, last };
  if (!(text in RANGE_NAMES) || text === "custom") return USUAL.range;
  const date = query.get("date") ?? "";
  return isDay(date) ? { key: text as RangeKey, date } : { key: text as RangeKey };
}

/** One step in a list, as flatMap wants it; undefined for what is no step. */
function readStep(text: string): [FilterChoice[]] | undefined {
  try {
    const filters: unknown = JSON.parse(text);
    return Array.isArray(filters) ? [filters.flatMap((filter) => readFilter(String(filter)) ?? [])] : undefined;
  } catch {
    return undefined;
  }
}

function natural(text: string | null): number {
  const number = Number(text ?? 0);
  return Number.isSafeInteger(number) && number > 0 ? number : 0;
}
