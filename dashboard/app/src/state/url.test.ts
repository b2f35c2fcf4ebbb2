import { describe, expect, it } from "vitest";
import { random, type Random } from "../testing/random.js";
import { DIMENSIONS } from "./dimensions.js";
import { readFilter, withFilter, writeFilter, type FilterChoice, type OperatorKey } from "./filter.js";
import { readState, USUAL, VIEWS, writeState, type State } from "./url.js";

const pieces = ["a", "|", "\\", "=", "!", "~", "^", "/", "&", "?", "#", "%", " ", "+", "ü", "שלום", "🫖", "\"", ";", ""];
const textOf = (dice: Random) => Array.from({ length: dice(6) }, () => pieces[dice(pieces.length)]).join("");
const operators: OperatorKey[] = ["is", "is_not", "contains", "does_not_contain", "starts_with"];

function filterOf(dice: Random): FilterChoice {
  const by = dice(5) === 0 ? `property:p${dice(9)}` : (DIMENSIONS[dice(DIMENSIONS.length)]?.slug ?? "page");
  return { by, operator: operators[dice(5)] ?? "is", values: Array.from({ length: 1 + dice(3) }, () => textOf(dice)) };
}

function stateOf(dice: Random): State {
  const filters = () => Array.from({ length: dice(3) }, () => filterOf(dice));
  const state: State = {
    view: VIEWS[dice(VIEWS.length)] ?? "overview", site: textOf(dice),
    range: [{ key: "today" as const }, { key: "month" as const, date: "2026-02-10" }, { key: "custom" as const, first: "2013-01-01", last: "2013-05-17" }, { key: "7d" as const }][dice(4)] ?? { key: "7d" },
    compare: (["none", "previous", "year", "weekdays"] as const)[dice(4)] ?? "none", metric: (["visitors", "bounce_rate"] as const)[dice(2)] ?? "visitors",
    bots: (["exclude", "include", "only"] as const)[dice(3)] ?? "exclude", filters: filters(), cards: dice(2) ? { pages: "entry_page", events: "property:plan" } : {},
    retention: { by: (["day", "week", "month"] as const)[dice(3)] ?? "week", mode: dice(2) ? "first" : "recurring", week: dice(2) ? "monday" : "sunday", start: filters(), returning: filters() },
    funnel: { steps: Array.from({ length: dice(4) }, filters), limit: dice(2) * 3600, order: dice(2) ? "loose" : "strict", reentry: dice(2) === 0 },
    visitor: dice(2) ? "" : "0123456789abcdef0123456789abcdef",
    segment: USUAL.segment, campaign: USUAL.campaign, sites: USUAL.sites,
  };
  // Which segment is shown belongs to its view alone.
  if (state.view === "segments") state.segment = { id: textOf(dice), isEdited: dice(2) === 0, tree: textOf(dice) };
  if (state.view === "sites") state.sites = { offset: dice(1_000), search: textOf(dice) };
  if (state.view === "campaigns") state.campaign = { id: textOf(dice), isEdited: dice(2) === 0, segment: textOf(dice) };
  if (dice(2)) state.interval = "day";
  if (dice(3) === 0) state.list = { by: "page", offset: dice(3) * 100, search: textOf(dice), order: "events" };
  return state;
}

const read = (address: string) => {
  const url = new URL(address, "http://host");
  return readState({ pathname: url.pathname, search: url.search });
};

describe("the address", () => {
  it("read again gives the state that it was written from", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const state = stateOf(random(seed));
      expect(read(writeState(state)), `seed ${seed}: ${writeState(state)}`).toEqual(state);
    }
  });
  it("of the usual state is the bare path", () => {
    expect(writeState(USUAL)).toBe("/");
    expect(read("/")).toEqual(USUAL);
    expect(writeState({ ...USUAL, view: "live" })).toBe("/live");
  });
  it("that somebody typed never breaks the page", () => {
    const state = read("/nowhere?range=yesteryear&f=planet=Earth&f=country&f==&interval=second&step=%7B&limit=-4&list=nothing&offset=1e9&pages=moon&compare=&metric=luck");
    expect(state).toEqual(USUAL);
  });
  it("never holds a key", () => {
    expect(writeState({ ...USUAL, site: "example.org" })).not.toMatch(/pst_/);
    expect(Object.keys(USUAL)).not.toContain("key");
  });
});

describe("a filter", () => {
  it("is written as on the command line", () => {
    expect(writeFilter({ by: "country", operator: "is_not", values: ["DE", "AT"] })).toBe("country!=DE|AT");
    expect(readFilter("property:plan~=pro")).toEqual({ by: "property:plan", operator: "contains", values: ["=pro"] });
    expect(readFilter("referrer=")).toEqual({ by: "referrer", operator: "is", values: [""] });
    expect(readFilter("url^http://a?b=c")?.operator).toBe("starts_with");
  });
  it("of 100 values is read, of 101 it is none", () => {
    const values = (count: number) => Array.from({ length: count }, (_, at) => `v${at}`).join("|");
    expect(readFilter(`page=${values(100)}`)?.values).toHaveLength(100);
    expect(readFilter(`page=${values(101)}`)).toBeUndefined();
  });
  it("picked from a row takes the place of the one on the same dimension, and goes when it is picked again", () => {
    const page = (value: string): FilterChoice => ({ by: "page", operator: "is", values: [value] });
    const country: FilterChoice = { by: "country", operator: "is_not", values: ["DE"] };
    expect(withFilter([country, page("/a")], page("/b"))).toEqual([country, page("/b")]);
    expect(withFilter([page("/a")], page("/a"))).toEqual([]);
    expect(withFilter([country], { ...country, values: ["AT"] })).toHaveLength(2);
  });
});
