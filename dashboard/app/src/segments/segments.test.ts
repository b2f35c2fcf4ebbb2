import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { NodeSchema } from "../gen/pistats/segment/v1/segment_pb.js";
import { random, type Random } from "../testing/random.js";
import { asGroup, fresh, fromNode, readDraft, toNode, writeDraft, type Draft, type Kind } from "./draft.js";
import { childPath, faultsOf, ownFaults } from "./faults.js";
import { fromCell, fromFilters } from "./from.js";
import { STARTERS } from "./starters.js";
import { TEST_NAMES, testsOf, type ConditionChoice, type Test } from "./condition.js";
import { byDay } from "./sizes.js";
import { take, type Watched } from "./watch.js";

const KINDS: Kind[] = ["all", "any", "latest", "did", "sequence", "seen", "member_of"];

function conditionOf(dice: Random): ConditionChoice {
  const by = ["page", "country", "property:plan", "event_name", "value"][dice(5)] ?? "page";
  const tests = testsOf(by);
  return { by, operator: tests[dice(tests.length)] ?? "is", values: Array.from({ length: 1 + dice(2) }, () => `v${dice(9)}`) };
}

function draftOf(dice: Random, depth = 0): Draft {
  const kind = depth > 3 ? "seen" : (KINDS[dice(KINDS.length)] ?? "did");
  const draft = { ...fresh(kind), isNot: dice(3) === 0 };
  const window = [0, 7, { first: "2026-01-05", last: "2026-01-11" }][dice(3)] ?? 0;
  const conditions = () => Array.from({ length: dice(3) }, () => conditionOf(dice));
  if (draft.kind === "all" || draft.kind === "any") draft.nodes = Array.from({ length: 1 + dice(3) }, () => draftOf(dice, depth + 1));
  else if (draft.kind === "latest") draft.condition = conditionOf(dice);
  else if (draft.kind === "did") Object.assign(draft, { conditions: conditions(), amount: dice(2) ? "at_least" : "at_most", count: dice(5), isDays: dice(2) === 0, window });
  else if (draft.kind === "sequence") Object.assign(draft, { steps: [conditions(), conditions(), conditions()].slice(dice(2)), withinUs: BigInt(dice(2) * 3_600_000_000), window });
  else if (draft.kind === "seen") Object.assign(draft, dice(2) ? { end: "first", when: "since", day: "2026-01-05", days: 30 } : { end: "last", when: "longer_ago_days", days: 1 + dice(60) });
  else if (draft.kind === "member_of") draft.id = "0123456789abcdef0123456789abcdef";
  return draft;
}

describe("a draft", () => {
  it("is the same after it was a message of the contract, and after it was an address", () => {
    const dice = random(7);
    for (let round = 0; round < 500; round++) {
      const draft = draftOf(dice);
      expect(fromNode(fromBinary(NodeSchema, toBinary(NodeSchema, toNode(draft))))).toEqual(draft);
      expect(readDraft(writeDraft(draft))).toEqual(asGroup(draft));
    }
  });
  it("that is no tree is none", () => {
    for (const text of ["", "{", "[]", "{\"did\": 1}", "{\"nobody\": {}}"]) expect(readDraft(text)).toBeUndefined();
  });
  it("of each starter is a group of clauses", () => {
    for (const { draft } of STARTERS) expect(fromNode(toNode(draft))).toEqual(draft);
  });
});

/** A BadRequest as the server sends it. */
function badRequest(...faults: [field: string, says: string][]): ConnectError {
  const field = (number: number, bytes: Uint8Array) => Uint8Array.from([number * 8 + 2, ...(bytes.length > 127 ? [(bytes.length & 127) | 128, bytes.length >> 7] : [bytes.length]), ...bytes]);
  const text = (value: string) => new TextEncoder().encode(value);
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const value = join(...faults.map(([name, says]) => field(1, join(field(1, text(name)), field(2, text(says))))));
  const error = new ConnectError("wrong", Code.InvalidArgument);
  error.details.push({ type: "google.rpc.BadRequest", value } as never);
  return error;
}

describe("faults", () => {
  const inner: Draft = { kind: "any", nodes: [fresh("did"), { ...fresh("latest"), isNot: true }], isNot: true };
  const root: Draft = { kind: "all", nodes: [fresh("seen"), inner], isNot: false };
  it("are read from the details, long ones too", () => {
    const long = "ü".repeat(150);
    expect(faultsOf(badRequest(["root.all.nodes[0].seen.since", "no day"], ["root", long]))).toEqual([{ field: "root.all.nodes[0].seen.since", says: "no day" }, { field: "root", says: long }]);
    expect(faultsOf(new ConnectError("it is away", Code.Unavailable))).toEqual([{ field: "", says: "it is away" }]);
  });
  it("belong to the deepest row that they are about, through a clause that is turned round", () => {
    const innerPath = childPath("root", root, 1);
    const deep = childPath(innerPath, inner, 1);
    expect([innerPath, deep]).toEqual(["root.all.nodes[1]", "root.all.nodes[1].not.any.nodes[1]"]);
    const faults = [`${deep}.not.latest.values`, "root.all.nodes[1].not.any.nodes", "root.all.nodes[10].did"].map((field) => ({ field, says: "" }));
    expect(ownFaults(faults, deep, inner.nodes[1] as Draft)).toEqual([faults[0]]);
    expect(ownFaults(faults, innerPath, inner)).toEqual([faults[1]]);
    expect(ownFaults(faults, childPath("root", root, 0), root.nodes[0] as Draft)).toEqual([]);
  });
});

describe("a segment out of", () => {
  const today = "2026-02-28";
  it("filters has each as a condition of one event, and segments as members", () => {
    const found = fromFilters([{ by: "page", operator: "contains", values: ["a"] }, { by: "segment", operator: "is_not", values: ["1", "2"] }], { first: "2026-02-22", last: today }, today);
    if (!("draft" in found)) throw new Error("in the way");
    const [did, members] = found.draft.nodes;
    expect(did).toMatchObject({ kind: "did", conditions: [{ by: "page", operator: "contains", values: ["a"] }], window: 7, amount: "at_least", count: 1 });
    expect(members).toMatchObject({ kind: "any", isNot: true, nodes: [{ id: "1" }, { id: "2" }] });
  });
  it("days that are over keeps these days", () => {
    const found = fromFilters([{ by: "page", operator: "is", values: ["a"] }], { first: "2026-01-05", last: "2026-01-11" }, today);
    expect("draft" in found && found.draft.nodes[0]).toMatchObject({ window: { first: "2026-01-05", last: "2026-01-11" } });
  });
  it("what has no clause names what is in the way", () => {
    for (const by of ["entry_page", "exit_page"]) expect(fromFilters([{ by, operator: "is", values: ["a"] }], { first: today, last: today }, today)).toMatchObject({ inTheWay: [{ by }] });
    expect(fromFilters([{ by: "page", operator: "does_not_contain", values: ["a"] }], { first: today, last: today }, today)).toHaveProperty("inTheWay");
  });
  it("a cell is who began in the cohort and came in its period", () => {
    const choice = { mode: "first" as const, filters: [], start: [], returning: [], cohort: { first: "2026-01-05", last: "2026-01-11" }, cell: { first: "2026-01-19", last: "2026-01-25" } };
    expect(fromCell(choice)?.nodes).toMatchObject([{ kind: "seen", end: "first", when: "since", day: "2026-01-05" }, { kind: "seen", end: "first", when: "before", day: "2026-01-12" }, { kind: "did", window: choice.cell }]);
    const start = [{ by: "event_name", operator: "is" as const, values: ["signup"] }];
    expect(fromCell({ ...choice, start })).toBeUndefined();
    expect(fromCell({ ...choice, mode: "recurring", start })?.nodes).toMatchObject([{ kind: "did", conditions: start, window: choice.cohort }, { kind: "did", conditions: [], window: choice.cell }]);
  });
});

it("every operator has a name, and a value is only compared", () => {
  expect(testsOf("page")).toEqual(Object.keys(TEST_NAMES) as Test[]);
  expect(testsOf("value")).toEqual(["greater", "less"]);
});

it("a watched segment counts nobody as entered by a snapshot, and goes on after a cut", () => {
  const message = (sequence: bigint, size: bigint, entered: bigint, left: bigint) => ({ sequence, size, entered, left, enteredVisitors: [], leftVisitors: [], version: 1, nowUs: 0n, cause: 0 }) as never;
  let watched: Watched = { version: 0, entered: 0, left: 0, moves: [] };
  for (const next of [message(0n, 5n, 5n, 0n), message(1n, 7n, 3n, 1n), message(0n, 9n, 9n, 0n)]) watched = take(watched, next);
  expect(watched).toMatchObject({ size: 9, entered: 3, left: 1 });
  expect(watched.moves.map(({ size }) => size)).toEqual([5, 7, 9]);
});

describe("sizes by day", () => {
  const sizes = new Map([["2026-03-01", 7], ["2026-02-28", 5]]);

  it("stand in the order of their days, and those that are not counted yet are none", () => {
    expect(byDay({ sizes, isWhole: false }, "2026-03-01", 3, undefined)).toEqual([
      { day: "2026-02-27", size: undefined }, { day: "2026-02-28", size: 5 }, { day: "2026-03-01", size: 7 },
    ]);
  });

  it("end with the size that is watched, zero included", () => {
    for (const now of [9, 0]) expect(byDay({ sizes, isWhole: true }, "2026-03-01", 1, now)).toEqual([{ day: "2026-03-01", size: now }]);
  });
});
