import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CohortSchema, ExportedEventSchema, StepSchema, TrafficResponseSchema } from "../gen/pistats/query/v1/query_pb.js";
import { columns } from "../parts/chart.js";
import { metric } from "../show/metrics.js";
import { commandOf, SHORTCUTS } from "../state/keys.js";
import { USUAL } from "../state/url.js";
import { stretch, visits } from "./journeys/latest.js";
import { points } from "./overview/points.js";
import { mean } from "./retention/mean.js";
import { checkText } from "./setup/check.js";

const HOUR = 3_600_000;
const day = Date.parse("2026-03-15T00:00:00Z");
const steps = Array.from({ length: 24 }, (_, hour) => create(StepSchema, { fromUs: BigInt(day + hour * HOUR) * 1000n, toUs: BigInt(day + (hour + 1) * HOUR) * 1000n, day: "2026-03-15", metrics: { visitors: BigInt(hour) } }));

describe("the chart", () => {
  const drawn = points(create(TrafficResponseSchema, { steps, comparedSteps: steps }), metric("visitors"), "UTC", "hour", day + 10.5 * HOUR);
  it("has no zeros after now, and knows the step that is not over", () => {
    expect(drawn.map((point) => point.value)).toEqual([...Array.from({ length: 11 }, (_, hour) => hour), ...Array.from({ length: 13 }, () => undefined)]);
    expect(drawn.flatMap((point, at) => (point.isUnfinished ? [at] : []))).toEqual([10]);
    expect(drawn.map((point) => point.compared)).toEqual(steps.map((_, hour) => hour));
  });
  it("draws the unfinished step dotted, joined to the one before", () => {
    const [, solid, dotted] = columns(drawn);
    expect(solid?.slice(8, 12)).toEqual([8, 9, null, null]);
    expect(dotted?.slice(8, 12)).toEqual([null, 9, 10, null]);
  });
});

describe("the keyboard", () => {
  const press = (key: string, target: object = {}, more = {}) => commandOf({ key, altKey: false, ctrlKey: false, metaKey: false, target: target as EventTarget, ...more }, USUAL, "2026-03-15");
  it("gives each key one meaning", () => {
    const keys = SHORTCUTS.map((shortcut) => shortcut.key);
    expect(new Set(keys).size).toBe(keys.length);
  });
  it("chooses ranges, moves them, compares, and opens views", () => {
    expect(press("d")).toEqual({ go: { range: { key: "today" } } });
    expect(press("ArrowLeft")).toEqual({ go: { range: { key: "7d", date: "2026-03-08" } } });
    expect(press("X")).toEqual({ go: { compare: "previous" } });
    expect(press("2")).toEqual({ go: { view: "live", list: undefined, segment: USUAL.segment, campaign: USUAL.campaign } });
    expect(press("?")).toEqual({ act: "help" });
  });
  it("is silent while somebody types, and leaves the browser's own keys alone", () => {
    expect(press("d", { tagName: "INPUT" })).toBeUndefined();
    expect(press("d", { tagName: "SELECT" })).toBeUndefined();
    expect(press("d", {}, { ctrlKey: true })).toBeUndefined();
    expect(press("q")).toBeUndefined();
  });
});

describe("retention", () => {
  it("of all cohorts is of those that are old enough", () => {
    const cohorts = [create(CohortSchema, { visitors: 10n, cells: [10n, 5n] }), create(CohortSchema, { visitors: 30n, cells: [30n] })];
    expect([mean(cohorts, 0), mean(cohorts, 1)]).toEqual([{ of: 40n, returned: 40n }, { of: 10n, returned: 5n }]);
  });
});

describe("recent visitors", () => {
  it("come from the shortest stretch before the end that holds enough events", () => {
    const counted = steps.map((step, at) => create(StepSchema, { fromUs: step.fromUs, toUs: step.toUs, metrics: { events: at % 2 ? 10n : 0n } }));
    expect(stretch(counted, 25)).toEqual({ fromUs: counted[19]?.fromUs, toUs: counted[23]?.toUs, events: 30 });
    expect(stretch(counted, 1_000)?.fromUs).toBe(counted[0]?.fromUs);
    expect(stretch(steps, 1)).toBeUndefined();
  });
  it("are listed with the one seen last first, each once", () => {
    const event = (visitor: string, time: number, page: string) => create(ExportedEventSchema, { visitor, timeUs: BigInt(time), page });
    const found = visits([event("a", 1, "/"), event("b", 2, "/"), event("a", 3, "/x"), event("a", 4, "/x")], 10);
    expect(found.map((visit) => [visit.visitor, visit.events, visit.pages])).toEqual([["a", 3, ["/", "/x"]], ["b", 1, ["/"]]]);
  });
});

describe("the check of a page", () => {
  it("is a line that stands alone", () => {
    const text = checkText({ host: "https://stats.example", key: "pst_write_x" });
    // It compiles, and knows nothing but its options.
    expect(() => new Function(text)).not.toThrow();
    expect(text).not.toContain("import");
  });
});
