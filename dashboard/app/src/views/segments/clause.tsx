// One clause as a sentence whose words can be chosen.

import { Chips, type ChipKind } from "../../parts/chips.js";
import { Icon } from "../../parts/icons.js";
import { isNumeric, SUBJECTS, TEST_NAMES, testsOf, type ConditionChoice, type Test } from "../../segments/condition.js";
import type { Draft, Window } from "../../segments/draft.js";
import { addDays, type Day } from "../../state/days.js";
import { segmentNames } from "../../state/segment_names.js";
import { useStore } from "../../state/store.js";
import type { Context } from "../context.js";

const CONDITIONS: ChipKind<Test> = { what: "condition", subjects: [...SUBJECTS, { slug: "value", label: "Value" }], operators: testsOf, names: TEST_NAMES, isNumeric };
const MAX_STEPS = 10;
const MAX_CONDITIONS = 20;

type Of<K extends Draft["kind"]> = Extract<Draft, { kind: K }>;

interface Props<D extends Draft = Draft> {
  draft: D;
  context: Context;
  onChange: (draft: Draft) => void;
}

export function ClauseEditor({ draft, context, onChange, own }: Props & { own: string }) {
  switch (draft.kind) {
    case "did": return <Did draft={draft} context={context} onChange={onChange} />;
    case "sequence": return <Sequence draft={draft} context={context} onChange={onChange} />;
    case "seen": return <Seen draft={draft} context={context} onChange={onChange} />;
    case "latest": return <Latest draft={draft} context={context} onChange={onChange} />;
    case "member_of": return <Member draft={draft} onChange={onChange} own={own} />;
    case "all":
    case "any": return null;
  }
}

function Events({ conditions, context, onChange }: { conditions: ConditionChoice[]; context: Context; onChange: (conditions: ConditionChoice[]) => void }) {
  return <Chips choices={conditions} kind={CONDITIONS} context={context} label={conditions.length > 0 ? "and" : "anything: choose"} most={MAX_CONDITIONS} onChange={onChange} />;
}

function Did({ draft, context, onChange }: Props<Of<"did">>) {
  const change = (patch: Partial<Of<"did">>) => onChange({ ...draft, ...patch });
  return (
    <>
      <span>did</span>
      <Events conditions={draft.conditions} context={context} onChange={(conditions) => change({ conditions })} />
      <Pick name="How often" value={draft.amount} options={{ at_least: "at least", at_most: "at most" }} onPick={(amount) => change({ amount })} />
      <Whole name="Times" value={draft.count} onChange={(count) => change({ count })} />
      <Pick name="What is counted" value={draft.isDays ? "days" : "times"} options={{ times: draft.count === 1 ? "time" : "times", days: draft.count === 1 ? "day" : "different days" }} onPick={(counted) => change({ isDays: counted === "days" })} />
      <WindowEditor value={draft.window} today={context.today} onChange={(window) => change({ window })} />
    </>
  );
}

const LIMITS: [us: bigint, name: string][] = [
  [0n, "at any pace"], [600_000_000n, "within 10 minutes"], [1_800_000_000n, "within 30 minutes"], [3_600_000_000n, "within an hour"], [86_400_000_000n, "within a day"], [604_800_000_000n, "within 7 days"], [2_592_000_000_000n, "within 30 days"],
];

function Sequence({ draft, context, onChange }: Props<Of<"sequence">>) {
  const change = (patch: Partial<Of<"sequence">>) => onChange({ ...draft, ...patch });
  const { steps } = draft;
  const known = LIMITS.some(([us]) => us === draft.withinUs) ? LIMITS : [...LIMITS, [draft.withinUs, `within ${Number(draft.withinUs) / 1e6} seconds`] as const];
  return (
    <>
      <span>did in this order</span>
      <ol class="clause-steps">
        {steps.map((conditions, at) => (
          <li key={at}>
            <span class="step-number">{at + 1}</span>
            <Events conditions={conditions} context={context} onChange={(next) => change({ steps: steps.map((each, place) => (place === at ? next : each)) })} />
            {steps.length > 2 && <button type="button" class="tool" aria-label={`Remove step ${at + 1}`} title="Remove" onClick={() => change({ steps: steps.filter((_, place) => place !== at) })}><Icon name="close" /></button>}
          </li>
        ))}
      </ol>
      {steps.length < MAX_STEPS && <button type="button" class="button" onClick={() => change({ steps: [...steps, []] })}><Icon name="plus" /> Step</button>}
      <label class="select"><span class="sr-only">Time limit</span>
        <select value={String(draft.withinUs)} onChange={(event) => change({ withinUs: BigInt(event.currentTarget.value) })}>{known.map(([us, name]) => <option key={us} value={String(us)}>{name}</option>)}</select>
      </label>
      <WindowEditor value={draft.window} today={context.today} onChange={(window) => change({ window })} />
    </>
  );
}

function Seen({ draft, context, onChange }: Props<Of<"seen">>) {
  const change = (patch: Partial<Of<"seen">>) => onChange({ ...draft, ...patch });
  const isDay = draft.when === "since" || draft.when === "before";
  return (
    <>
      <span>were</span>
      <Pick name="Which end" value={draft.end} options={{ first: "first seen", last: "last seen" }} onPick={(end) => change({ end })} />
      <Pick name="When" value={draft.when} options={{ last_days: "in the last days:", longer_ago_days: "before the last days:", since: "on or after", before: "before" }}
        onPick={(when) => change({ when, day: draft.day || context.today })} />
      {isDay ? <input class="input" type="date" aria-label="Day" value={draft.day} onInput={(event) => change({ day: event.currentTarget.value })} />
        : <Whole name="Days" value={draft.days} onChange={(days) => change({ days })} />}
    </>
  );
}

function Latest({ draft, context, onChange }: Props<Of<"latest">>) {
  const { condition } = draft;
  return (
    <>
      <span>by their latest event</span>
      <Chips choices={[condition]} kind={CONDITIONS} context={context} label="" most={1} onChange={([next]) => next && onChange({ ...draft, condition: next })} />
    </>
  );
}

function Member({ draft, onChange, own }: { draft: Of<"member_of">; onChange: (draft: Draft) => void; own: string }) {
  const names = useStore(segmentNames);
  const offered = [...names].filter(([id]) => id !== own);
  return (
    <>
      <span>are in the segment</span>
      <label class="select"><span class="sr-only">Segment</span>
        <select value={draft.id} onChange={(event) => onChange({ ...draft, id: event.currentTarget.value })}>
          <option value="" disabled>{offered.length > 0 ? "Choose…" : "No other segment is kept"}</option>
          {offered.map(([id, name]) => <option key={id} value={id}>{name}</option>)}
        </select>
      </label>
    </>
  );
}

function Pick<T extends string>({ name, value, options, onPick }: { name: string; value: T; options: Record<T, string>; onPick: (value: T) => void }) {
  return (
    <label class="select"><span class="sr-only">{name}</span>
      <select value={value} onChange={(event) => onPick(event.currentTarget.value as T)}>{(Object.entries(options) as [T, string][]).map(([key, text]) => <option key={key} value={key}>{text}</option>)}</select>
    </label>
  );
}

/** A whole number as it is typed; what is none is 0, which the server has its own opinion about. */
function Whole({ name, value, onChange }: { name: string; value: number; onChange: (value: number) => void }) {
  const read = (text: string) => Math.min(4_294_967_295, Math.max(0, Math.trunc(Number(text) || 0)));
  return <input class="input is-count" type="number" min={0} step={1} aria-label={name} value={value} onInput={(event) => onChange(read(event.currentTarget.value))} />;
}

function WindowEditor({ value, today, onChange }: { value: Window; today: Day; onChange: (window: Window) => void }) {
  const kind = typeof value === "object" ? "between" : value === 0 ? "ever" : "days";
  const begun: Record<typeof kind, Window> = { ever: 0, days: 30, between: { first: addDays(today, -29), last: today } };
  return (
    <span class="window">
      <Pick name="In which time" value={kind} options={{ ever: "ever", days: "in the last", between: "between" }} onPick={(next) => onChange(begun[next])} />
      {typeof value === "object" ? (
        <>
          <input class="input" type="date" aria-label="First day" value={value.first} onInput={(event) => onChange({ ...value, first: event.currentTarget.value })} />
          and <input class="input" type="date" aria-label="Last day" value={value.last} onInput={(event) => onChange({ ...value, last: event.currentTarget.value })} />
        </>
      ) : value > 0 && <><Whole name="Last days" value={value} onChange={(next) => onChange(Math.max(1, next))} /> {value === 1 ? "day, which is today" : "days"}</>}
    </span>
  );
}
