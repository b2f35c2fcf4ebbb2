// Filters as chips, and the small form that makes one. A chip opens the form to change it; its cross takes it away.

import { useState } from "preact/hooks";
import { valueName } from "../show/names.js";
import { DIMENSIONS, dimension } from "../state/dimensions.js";
import { OPERATOR_NAMES, sameFilter, type FilterChoice, type OperatorKey } from "../state/filter.js";
import type { Context } from "../views/context.js";
import { Icon } from "./icons.js";
import { Menu } from "./menu.js";
import { ValueInput } from "./value_input.js";

interface Props {
  filters: FilterChoice[];
  onChange: (filters: FilterChoice[]) => void;
  context: Context;
  label?: string;
  /** Opens the form of a new filter from outside. */
  opened?: number;
  /** Conditions look at events, so what belongs to sessions is left out. */
  isOfEvents?: boolean;
}

export function Filters({ filters, onChange, context, label = "Filter", opened = 0, isOfEvents = false }: Props) {
  return (
    <div class="filters">
      {filters.map((filter, at) => (
        <span key={at} class="chip">
          <Menu class="chip-menu" label={<ChipText filter={filter} />}>
            {(close) => (
              <FilterForm context={context} filter={filter} isOfEvents={isOfEvents}
                onDone={(changed) => {
                  onChange(filters.map((each, place) => (place === at ? changed : each)));
                  close();
                }} />
            )}
          </Menu>
          <button type="button" class="chip-close" aria-label={`Remove filter: ${chipText(filter)}`} onClick={() => onChange(filters.filter((_, place) => place !== at))}><Icon name="close" /></button>
        </span>
      ))}
      <Menu label={<><Icon name="plus" /> {label}</>} class="add-filter" opened={opened}>
        {(close) => (
          <FilterForm context={context} isOfEvents={isOfEvents}
            onDone={(added) => {
              if (!filters.some((filter) => sameFilter(filter, added))) onChange([...filters, added]);
              close();
            }} />
        )}
      </Menu>
    </div>
  );
}

export function chipText({ by, operator, values }: FilterChoice): string {
  return `${singular(by)} ${OPERATOR_NAMES[operator]} ${values.map((value) => valueName(by, value)).join(" or ")}`;
}

function ChipText({ filter: { by, operator, values } }: { filter: FilterChoice }) {
  return <><span class="chip-by">{singular(by)}</span> {OPERATOR_NAMES[operator]} <bdi class="chip-values">{values.map((value) => valueName(by, value)).join(" or ")}</bdi></>;
}

function singular(by: string): string {
  const label = dimension(by)?.label ?? by;
  if (by.startsWith("property:")) return label.replace(/^Property /, "");
  return label.replace(/ies$/, "y").replace(/media$/, "medium").replace(/sses$/, "ss").replace(/([^s])s$/, "$1");
}

function FilterForm({ filter, onDone, context, isOfEvents }: { filter?: FilterChoice; onDone: (filter: FilterChoice) => void; context: Context; isOfEvents: boolean }) {
  const [by, setBy] = useState(filter?.by.startsWith("property:") ? "property" : (filter?.by ?? "page"));
  const [property, setProperty] = useState(filter?.by.startsWith("property:") ? filter.by.slice(9) : "");
  const [operator, setOperator] = useState<OperatorKey>(filter?.operator ?? "is");
  const [values, setValues] = useState<string[]>(filter?.values ?? []);
  const [text, setText] = useState("");
  const slug = by === "property" ? `property:${property}` : by;
  const all = text !== "" || values.length === 0 ? [...values, text] : values;
  const done = (chosen: string[]) => (by !== "property" || property !== "") && onDone({ by: slug, operator, values: [...new Set(chosen)].slice(0, 100) });
  return (
    <form class="filter-form" onSubmit={(event) => { event.preventDefault(); done(all); }}>
      <select class="input" aria-label="Filter by" value={by} onChange={(event) => { setBy(event.currentTarget.value); setValues([]); }}>
        {DIMENSIONS.filter((info) => !isOfEvents || !["entry_page", "exit_page"].includes(info.slug)).map((info) => <option key={info.slug} value={info.slug}>{singular(info.slug)}</option>)}
        <option value="property">Property…</option>
      </select>
      {by === "property" && <input class="input" aria-label="Key of the property" placeholder="Key of the property" value={property} onInput={(event) => setProperty(event.currentTarget.value)} />}
      <select class="input" aria-label="How" value={operator} onChange={(event) => setOperator(event.currentTarget.value as OperatorKey)}>
        {Object.entries(OPERATOR_NAMES).map(([key, name]) => <option key={key} value={key}>{name}</option>)}
      </select>
      {values.length > 0 && (
        <div class="picked">
          {values.map((value) => (
            <span key={value} class="chip is-small"><bdi class="chip-values">{valueName(slug, value)}</bdi>
              <button type="button" class="chip-close" aria-label={`Remove ${valueName(slug, value)}`} onClick={() => setValues(values.filter((each) => each !== value))}><Icon name="close" /></button>
            </span>
          ))}
        </div>
      )}
      <ValueInput by={slug} context={context} text={text} onText={setText} name={values.length ? "Or value" : "Value"}
        onPick={(value) => {
          setText("");
          if (!values.includes(value)) setValues([...values, value]);
        }} />
      <button type="submit" class="button is-main">{filter ? "Change" : "Filter"}</button>
    </form>
  );
}
