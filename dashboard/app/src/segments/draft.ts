// A segment while it is edited: the tree of the contract with "not" as a mark of each clause, so that a row of the builder is one
// clause. What a draft says, the server checks; the builder forbids nothing that it would have to know the rules of.
//
// ```text
//   Draft ──toNode──▶ Node (segment.v1) ──fromNode──▶ Draft        the same tree, but for not(not(x)), which is x
// ```

import { create, fromJsonString, toJsonString, type MessageInitShape } from "@bufbuild/protobuf";
import { End, NodeSchema, type Did, type Node, type Seen, type Sequence } from "../gen/pistats/segment/v1/segment_pb.js";
import type { Day } from "../state/days.js";
import { fromCondition, toCondition, type ConditionChoice } from "./condition.js";

/** In which time: the last so many days with today (0: ever), or days of the calendar. */
export type Window = number | { first: Day; last: Day };

export type Clause =
  | { kind: "all" | "any"; nodes: Draft[] }
  | { kind: "latest"; condition: ConditionChoice }
  | { kind: "did"; conditions: ConditionChoice[]; amount: "at_least" | "at_most"; count: number; isDays: boolean; window: Window }
  | { kind: "sequence"; steps: ConditionChoice[][]; withinUs: bigint; window: Window }
  | { kind: "seen"; end: "first" | "last"; when: "last_days" | "longer_ago_days" | "since" | "before"; days: number; day: string }
  | { kind: "member_of"; id: string };

export type Draft = Clause & { isNot: boolean };
export type Group = Extract<Draft, { kind: "all" | "any" }>;
export type Kind = Clause["kind"];

export function group(nodes: Draft[], kind: "all" | "any" = "all"): Group {
  return { kind, nodes, isNot: false };
}

/** A new clause of that kind, as it is usually begun. */
export function fresh(kind: Kind): Draft {
  const isNot = false;
  switch (kind) {
    case "all":
    case "any": return { kind, nodes: [fresh("did")], isNot };
    case "latest": return { kind, condition: { by: "country", operator: "is", values: [] }, isNot };
    case "did": return { kind, conditions: [], amount: "at_least", count: 1, isDays: false, window: 30, isNot };
    case "sequence": return { kind, steps: [[], []], withinUs: 0n, window: 30, isNot };
    case "seen": return { kind, end: "last", when: "last_days", days: 30, day: "", isNot };
    case "member_of": return { kind, id: "", isNot };
  }
}

export function toNode(draft: Draft): Node {
  const node = create(NodeSchema, { node: plain(draft) });
  return draft.isNot ? create(NodeSchema, { node: { case: "not", value: node } }) : node;
}

type Init = NonNullable<MessageInitShape<typeof NodeSchema>["node"]>;

/** The clause as plain values, which `create` makes messages of. */
function plain(draft: Draft): Init {
  switch (draft.kind) {
    case "all": return { case: "all", value: { nodes: draft.nodes.map(toNode) } };
    case "any": return { case: "any", value: { nodes: draft.nodes.map(toNode) } };
    case "latest": return { case: "latest", value: toCondition(draft.condition) };
    case "did": {
      const amount = { case: draft.amount === "at_least" ? ("atLeast" as const) : ("atMost" as const), value: draft.count };
      return { case: "did", value: { conditions: draft.conditions.map(toCondition), amount, distinctDays: draft.isDays, ...wireWindow(draft.window) } };
    }
    case "sequence": {
      const steps = draft.steps.map((conditions) => ({ conditions: conditions.map(toCondition) }));
      return { case: "sequence", value: { steps, withinUs: draft.withinUs, ...wireWindow(draft.window) } };
    }
    case "seen": {
      const { days, day } = draft;
      const when = {
        last_days: { case: "lastDays", value: days }, longer_ago_days: { case: "longerAgoDays", value: days }, since: { case: "since", value: day }, before: { case: "before", value: day },
      } as const;
      return { case: "seen", value: { end: draft.end === "first" ? End.FIRST : End.LAST, when: when[draft.when] } };
    }
    case "member_of": return { case: "memberOf", value: draft.id };
  }
}

function wireWindow(window: Window): { lastDays: number } | { days: { first: Day; last: Day } } {
  return typeof window === "number" ? { lastDays: window } : { days: window };
}

function windowOf({ lastDays, days }: Pick<Did, "lastDays" | "days">): Window {
  return days ? { first: days.first, last: days.last } : lastDays;
}

export function fromNode({ node }: Node): Draft {
  switch (node.case) {
    case "all":
    case "any": return { kind: node.case, nodes: node.value.nodes.map(fromNode), isNot: false };
    case "not": {
      const inner = fromNode(node.value);
      return { ...inner, isNot: !inner.isNot };
    }
    case "latest": return { kind: "latest", condition: fromCondition(node.value), isNot: false };
    case "did": return fromDid(node.value);
    case "sequence": return fromSequence(node.value);
    case "seen": return fromSeen(node.value);
    case "memberOf": return { kind: "member_of", id: node.value, isNot: false };
    case undefined: return fresh("did");
  }
}

function fromDid(did: Did): Draft {
  const { conditions, amount, distinctDays } = did;
  const [limit, count] = amount.case === "atMost" ? (["at_most", amount.value] as const) : (["at_least", amount.value ?? 1] as const);
  return { kind: "did", conditions: conditions.map(fromCondition), amount: limit, count, isDays: distinctDays, window: windowOf(did), isNot: false };
}

function fromSequence(sequence: Sequence): Draft {
  const { steps, withinUs } = sequence;
  return { kind: "sequence", steps: steps.map(({ conditions }) => conditions.map(fromCondition)), withinUs, window: windowOf(sequence), isNot: false };
}

function fromSeen({ end, when }: Seen): Draft {
  const kinds = { lastDays: "last_days", longerAgoDays: "longer_ago_days", since: "since", before: "before" } as const;
  const kind = when.case === undefined ? "last_days" : kinds[when.case];
  const [days, day] = typeof when.value === "number" ? [when.value, ""] : [30, when.value ?? ""];
  return { kind: "seen", end: end === End.LAST ? "last" : "first", when: kind, days, day, isNot: false };
}

/** The builder's first row is a group; any other tree is put into one. */
export function asGroup(draft: Draft): Group {
  return (draft.kind === "all" || draft.kind === "any") && !draft.isNot ? draft : group([draft]);
}

/** For the address: the JSON of the contract's message. */
export function writeDraft(draft: Draft): string {
  return toJsonString(NodeSchema, toNode(draft));
}

/** Undefined for what is no tree: an address that somebody typed must not break the page. */
export function readDraft(text: string): Group | undefined {
  if (!text) return undefined;
  try {
    return asGroup(fromNode(fromJsonString(NodeSchema, text)));
  } catch {
    return undefined;
  }
}
