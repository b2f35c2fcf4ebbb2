// Choices as chips, and the small form that makes one: what it is about, how it is compared, with which values. A chip opens the
// form to change it; its cross takes it away. Filters of reports and conditions of segments are both made of it.

import { useState } from "preact/hooks";
import { valueName } from "../show/names.js";
import { dimension, SEGMENT } from "../state/dimensions.js";
import { segmentNames } from "../state/segment_names.js";
import { useStore } from "../state/store.js";
import type { Context } from "../views/context.js";
import { Icon } from "./icons.js";
import { Menu } from "./menu.js";
import { ValueInput } from "./value_input.js";

export interface Choice<O extends string> {
  /** Slug of the subject. */
  by: string;
  operator: O;
  values: string[];
}

/** What may be chosen. */
export interface ChipKind<O extends string> {
  /** "filter" or "condition", for screen readers. */
  what: string;
  subjects: readonly { slug: string; label: string }[];
  operators: (by: string) => readonly O[];
  names: Record<O, string>;
  /** Compared as one number. */
  isNumeric: (operator: O) => boolean;
}

interface Props<O extends string> {
  choices: Choice<O>[];
  onChange: (choices: Choice<O>[]) => void;
  context: Context;
  kind: ChipKind<O>;
  label: string;
  opened?: number;
  /** No more than so many. */
  most?: number;
}

export function Chips<O extends string>({ choices, onChange, context, kind, label, opened = 0, most = Infinity }: Props<O>) {
  const isSame = (a: Choice<O>, b: Choice<O>) => a.by === b.by && a.operator === b.operator && a.values.join("\n") === b.values.join("\n");
  return (
    <div class="filters">
      {choices.map((choice, at) => (
        <span key={at} class={`chip${most > 1 ? "" : " is-alone"}`}>
          <Menu class="chip-menu" label={<ChipText choice={choice} kind={kind} />}>
            {(close) => (
              <ChipForm context={context} choice={choice} kind={kind}
                onDone={(changed) => {
                  onChange(choices.map((each, place) => (place === at ? changed : each)));
                  close();
                }} />
            )}
          </Menu>
          {most > 1 && <button type="button" class="chip-close" aria-label={`Remove ${kind.what}: ${textOf(choice, kind)}`} onClick={() => onChange(choices.filter((_, place) => place !== at))}><Icon name="close" /></button>}
        </span>
      ))}
      {choices.length < most && (
        <Menu label={<><Icon name="plus" /> {label}</>} class="add-filter" opened={opened}>
          {(close) => (
            <ChipForm context={context} kind={kind}
              onDone={(added) => {
                if (!choices.some((choice) => isSame(choice, added))) onChange([...choices, added]);
                close();
              }} />
          )}
        </Menu>
      )}
    </div>
  );
}

export function singular(by: string): string {
  const label = by === "value" ? "Value" : (dimension(by)?.label ?? by);
  if (by.startsWith("property:")) return label.replace(/^Property /, "");
  return label.replace(/ies$/, "y").replace(/media$/, "medium").replace(/sses$/, "ss").replace(/([^s])s$/, "$1");
}

function textOf<O extends string>({ by, operator, values }: Choice<O>, kind: ChipKind<O>): string {
  return `${singular(by)} ${kind.names[operator]} ${values.map((value) => valueName(by, value)).join(" or ")}`;
}

function ChipText<O extends string>({ choice: { by, operator, values }, kind }: { choice: Choice<O>; kind: ChipKind<O> }) {
  return <><span class="chip-by">{singular(by)}</span> {kind.names[operator]} <bdi class="chip-values">{values.map((value) => valueName(by, value)).join(" or ")}</bdi></>;
}

interface FormProps<O extends string> {
  choice?: Choice<O>;
  onDone: (choice: Choice<O>) => void;
  context: Context;
  kind: ChipKind<O>;
}

function ChipForm<O extends string>({ choice, onDone, context, kind }: FormProps<O>) {
  const [by, setBy] = useState(choice?.by.startsWith("property:") ? "property" : (choice?.by ?? "page"));
  const [property, setProperty] = useState(choice?.by.startsWith("property:") ? choice.by.slice(9) : "");
  const [operator, setOperator] = useState<O>(choice?.operator ?? kind.operators("page")[0] as O);
  const [values, setValues] = useState<string[]>(choice?.values ?? []);
  const [text, setText] = useState("");
  const slug = by === "property" ? `property:${property}` : by;
  const offered = kind.operators(by);
  const chosen = offered.includes(operator) ? operator : (offered[0] as O);
  const isNumber = kind.isNumeric(chosen);
  const all = isNumber ? [text || (values[0] ?? "")] : text !== "" || values.length === 0 ? [...values, text] : values;
  const done = (picked: string[]) => (by !== "property" || property !== "") && onDone({ by: slug, operator: chosen, values: [...new Set(picked)].slice(0, 100) });
  return (
    <form class="filter-form" onSubmit={(event) => { event.preventDefault(); done(all); }}>
      <select class="input" aria-label={kind.what === "filter" ? "Filter by" : "What"} value={by} onChange={(event) => { setBy(event.currentTarget.value); setValues([]); }}>
        {kind.subjects.map(({ slug: each }) => <option key={each} value={each}>{singular(each)}</option>)}
        <option value="property">Property…</option>
      </select>
      {by === "property" && <input class="input" aria-label="Key of the property" placeholder="Key of the property" value={property} onInput={(event) => setProperty(event.currentTarget.value)} />}
      <select class="input" aria-label="How" value={chosen} onChange={(event) => setOperator(event.currentTarget.value as O)}>
        {offered.map((key) => <option key={key} value={key}>{kind.names[key]}</option>)}
      </select>
      {isNumber ? (
        <input class="input" type="number" step="any" required aria-label="Number" value={text || (values[0] ?? "")} onInput={(event) => setText(event.currentTarget.value)} />
      ) : (
        <>
          {values.length > 0 && (
            <div class="picked">
              {values.map((value) => (
                <span key={value} class="chip is-small"><bdi class="chip-values">{valueName(slug, value)}</bdi>
                  <button type="button" class="chip-close" aria-label={`Remove ${valueName(slug, value)}`} onClick={() => setValues(values.filter((each) => each !== value))}><Icon name="close" /></button>
                </span>
              ))}
            </div>
          )}
          {by === SEGMENT.slug ? <SegmentInput onPick={(id) => { setText(""); setValues([...new Set([...values, id])]); }} /> : (
            <ValueInput by={slug} context={context} text={text} onText={setText} name={values.length ? "Or value" : "Value"}
              onPick={(value) => {
                setText("");
                if (!values.includes(value)) setValues([...values, value]);
              }} />
          )}
        </>
      )}
      <button type="submit" class="button is-main" disabled={by === SEGMENT.slug && values.length === 0}>{choice ? "Change" : kind.what === "filter" ? "Filter" : "Add"}</button>
    </form>
  );
}

/** Segments are chosen by their names. */
function SegmentInput({ onPick }: { onPick: (id: string) => void }) {
  const names = useStore(segmentNames);
  return (
    <select class="input" aria-label="Segment" value="" onChange={(event) => onPick(event.currentTarget.value)}>
      <option value="" disabled>Choose a segment…</option>
      {[...names].map(([id, name]) => <option key={id} value={id}>{name}</option>)}
    </select>
  );
}
