import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  AsOfSchema, DeltaSchema, MetricsSchema, RowSchema, SnapshotSchema, StepSchema, WatchResponseSchema,
  type Delta, type Metrics, type Row, type Snapshot, type Step, type WatchResponse,
} from "../gen/pistats/query/v1/query_pb.js";
import { Misapplied, resume, take, UNKNOWN, asOf } from "./reducer.js";
import { random, type Random } from "../testing/random.js";

const metrics = (dice: Random): Metrics => create(MetricsSchema, { visitors: BigInt(dice(3)), events: BigInt(dice(3)) });
const mark = (dice: Random) => create(AsOfSchema, { generation: 1n, nextOffsets: [BigInt(dice(9)), BigInt(dice(9))] });
const step = (dice: Random, at: number): Step => create(StepSchema, { fromUs: BigInt(at * 10), toUs: BigInt(at * 10 + 10), day: String(at), metrics: metrics(dice) });
// The empty value is a value.
const row = (dice: Random, value: number): Row => create(RowSchema, { value: "x".repeat(value), metrics: metrics(dice) });

function trafficAnswer(dice: Random, steps: number): Snapshot {
  const value = {
    total: metrics(dice), steps: Array.from({ length: steps }, (_, at) => step(dice, at)),
    comparedSteps: Array.from({ length: steps }, (_, at) => step(dice, at)), asOf: mark(dice), timeZone: "UTC",
  };
  return create(SnapshotSchema, { report: { case: "traffic", value } });
}

function breakdownAnswer(dice: Random): Snapshot {
  const values = dice.shuffled([0, 1, 2, 3, 4, 5]).slice(0, dice(6));
  return create(SnapshotSchema, { report: { case: "breakdown", value: { rows: values.map((value) => row(dice, value)), totalRows: BigInt(dice(9)), asOf: mark(dice) } } });
}

function retentionAnswer(dice: Random, cohorts: number): Snapshot {
  const value = { cohorts: Array.from({ length: cohorts }, (_, at) => ({ firstDay: `2024-01-0${at + 1}`, lastDay: `2024-01-0${at + 1}`, visitors: BigInt(dice(4)), cells: [BigInt(dice(4))] })), asOf: mark(dice), timeZone: "UTC" };
  return create(SnapshotSchema, { report: { case: "retention", value } });
}

const text = (value: unknown) => JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? `${each}n` : each));

/** What the server would send to lead from one answer to the other. */
function deltaOf(before: Snapshot, after: Snapshot): Delta {
  const [a, b] = [before.report, after.report];
  if (a.case === "traffic" && b.case === "traffic") {
    const differing = (olds: Step[], news: Step[]) => news.filter((one, at) => text(one) !== text(olds[at]));
    return create(DeltaSchema, { report: { case: "traffic", value: { ...(b.value.total ? { total: b.value.total } : {}), steps: differing(a.value.steps, b.value.steps), comparedSteps: differing(a.value.comparedSteps, b.value.comparedSteps) } } });
  }
  if (a.case === "breakdown" && b.case === "breakdown") {
    const known = new Map(a.value.rows.map((one) => [one.value, text(one)]));
    const isMoved = text(a.value.rows.map((one) => one.value)) !== text(b.value.rows.map((one) => one.value));
    return create(DeltaSchema, { report: { case: "breakdown", value: {
      rows: b.value.rows.filter((one) => known.get(one.value) !== text(one)), order: isMoved ? b.value.rows.map((one) => one.value) : [],
      emptied: a.value.rows.length > 0 && b.value.rows.length === 0, totalRows: b.value.totalRows,
    } } });
  }
  if (a.case === "retention" && b.case === "retention") {
    return create(DeltaSchema, { report: { case: "retention", value: { cohorts: b.value.cohorts.filter((one, at) => text(one) !== text(a.value.cohorts[at])) } } });
  }
  throw new Error("two kinds");
}

const snapshotMessage = (answer: Snapshot, number: bigint, reset = false): WatchResponse => create(WatchResponseSchema, { number, reset, content: { case: "snapshot", value: answer } });

function deltaMessage(before: Snapshot, after: Snapshot, number: bigint): WatchResponse {
  const at = asOf(after);
  return create(WatchResponseSchema, { number, ...(at ? { asOf: at } : {}), content: { case: "delta", value: deltaOf(before, after) } });
}

describe("a watched report", () => {
  const kinds: [string, (dice: Random) => () => Snapshot][] = [
    ["traffic", (dice) => { const steps = dice(4); return () => trafficAnswer(dice, steps); }],
    ["breakdown", (dice) => () => breakdownAnswer(dice)],
    ["retention", (dice) => { const cohorts = dice(4); return () => retentionAnswer(dice, cohorts); }],
  ];
  it.each(kinds)("of %s is the server's newest answer after every message, through cuts and resets", (_, kind) => {
    for (let seed = 1; seed <= 300; seed++) {
      const dice = random(seed);
      const make = kind(dice);
      let now = make();
      let number = BigInt(1 + dice(5));
      let known = take(UNKNOWN, snapshotMessage(now, number));
      for (let turn = 0; turn < 12; turn++) {
        if (dice(5) === 0) {
          // A cut: another server counts its states anew, and goes on from as_of.
          const cut = resume(known);
          expect(text(cut.from)).toBe(text(asOf(now)));
          known = cut.known;
          number = BigInt(dice(50));
        }
        const next = make();
        number += 1n;
        const before = text(now);
        known = take(known, dice(6) === 0 ? snapshotMessage(next, number, true) : deltaMessage(now, next, number));
        expect(text(known.answer), `seed ${seed}`).toBe(text(next));
        // What a view still shows is not changed behind its back.
        expect(text(now)).toBe(before);
        now = next;
      }
    }
  });

  it("does not take the same delta twice, nor one that leaves a state out", () => {
    const dice = random(7);
    const [first, second] = [trafficAnswer(dice, 2), trafficAnswer(dice, 2)];
    const known = take(UNKNOWN, snapshotMessage(first, 4n));
    const delta = deltaMessage(first, second, 5n);
    const after = take(known, delta);
    expect(() => take(after, delta)).toThrow(Misapplied);
    expect(() => take(known, deltaMessage(first, second, 6n))).toThrow(Misapplied);
    expect(() => take(UNKNOWN, delta)).toThrow(Misapplied);
  });

  it("refuses a delta of another kind, and one that names what it does not know", () => {
    const dice = random(9);
    const known = take(UNKNOWN, snapshotMessage(trafficAnswer(dice, 1), 1n));
    expect(() => take(known, deltaMessage(breakdownAnswer(dice), breakdownAnswer(dice), 2n))).toThrow(/does not belong/);
    const strange = create(WatchResponseSchema, { number: 2n, content: { case: "delta", value: create(DeltaSchema, { report: { case: "traffic", value: { steps: [step(dice, 7)] } } }) } });
    expect(() => take(known, strange)).toThrow(/does not have/);
    expect(() => take(known, create(WatchResponseSchema, { number: 2n }))).toThrow(/no content/);
  });
});
