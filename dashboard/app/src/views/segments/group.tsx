// A group of clauses: all of them, or any; each a row, groups within groups.

import { Icon } from "../../parts/icons.js";
import { Menu } from "../../parts/menu.js";
import { fresh, group, type Draft, type Group, type Kind } from "../../segments/draft.js";
import { childPath, ownFaults, type Fault } from "../../segments/faults.js";
import type { Context } from "../context.js";
import { ClauseEditor } from "./clause.js";

interface Props {
  draft: Group;
  /** Of the node in the request. */
  path: string;
  faults: Fault[];
  context: Context;
  onChange: (draft: Draft) => void;
  /** Id of the segment that is edited: it is no member of itself. */
  own: string;
}

const OFFERED: [kind: Kind, name: string, says: string][] = [
  ["did", "Did something", "so many times, on so many days, or never"],
  ["sequence", "Did things in an order", "one step after the other"],
  ["seen", "Was seen", "first or last, then or before then"],
  ["latest", "Is like this now", "a trait, by the latest event: country, device, source …"],
  ["member_of", "Is in another segment", "segments are made of segments"],
  ["any", "A group", "any of several, or all of them"],
];

export function GroupEditor({ draft, path, faults, context, onChange, own }: Props) {
  const put = (index: number, next: Draft) => onChange({ ...draft, nodes: draft.nodes.map((node, at) => (at === index ? next : node)) });
  return (
    <div class="group">
      <div class="group-head">
        <select class="input" aria-label="How many of the clauses" value={draft.kind} onChange={(event) => onChange({ ...draft, kind: event.currentTarget.value as Group["kind"] })}>
          <option value="all">All of these</option>
          <option value="any">Any of these</option>
        </select>
      </div>
      <Faults faults={ownFaults(faults, path, draft)} />
      <div class="clauses">
        {draft.nodes.map((node, index) => (
          <Row key={index} number={index + 1} draft={node} path={childPath(path, draft, index)} faults={faults} context={context} own={own}
            onChange={(next) => put(index, next)} onRemove={() => onChange({ ...draft, nodes: draft.nodes.filter((_, at) => at !== index) })} />
        ))}
      </div>
      <Menu label={<><Icon name="plus" /> Clause</>} class="add-clause">
        {(close) => OFFERED.map(([kind, name, says]) => (
          <button key={kind} type="button" class="item is-tall" onClick={() => { onChange({ ...draft, nodes: [...draft.nodes, kind === "any" ? group([fresh("did")], "any") : fresh(kind)] }); close(); }}>
            <span><b>{name}</b><br /><span class="hint">{says}</span></span>
          </button>
        ))}
      </Menu>
    </div>
  );
}

interface RowProps extends Omit<Props, "draft"> {
  draft: Draft;
  number: number;
  onRemove: () => void;
}

function Row({ draft, path, faults, context, own, number, onChange, onRemove }: RowProps) {
  const isGroup = draft.kind === "all" || draft.kind === "any";
  const mine = isGroup ? [] : ownFaults(faults, path, draft);
  return (
    <div class={`clause${mine.length > 0 ? " is-guilty" : ""}`} role="group" aria-label={`Clause ${number}`} data-path={path}>
      <select class="input clause-not" aria-label="Whether it holds" value={draft.isNot ? "not" : "is"} onChange={(event) => onChange({ ...draft, isNot: event.currentTarget.value === "not" })}>
        <option value="is">who</option>
        <option value="not">not those who</option>
      </select>
      <div class="clause-body">
        {isGroup ? <GroupEditor draft={draft} path={path} faults={faults} context={context} onChange={onChange} own={own} />
          : <ClauseEditor draft={draft} context={context} onChange={onChange} own={own} />}
        <Faults faults={mine} />
      </div>
      <button type="button" class="tool" aria-label={`Remove clause ${number}`} title="Remove" onClick={onRemove}><Icon name="close" /></button>
    </div>
  );
}

function Faults({ faults }: { faults: Fault[] }) {
  if (faults.length === 0) return null;
  return <ul class="faults" role="alert">{faults.map(({ field, says }) => <li key={field} class="problem"><Icon name="warn" /> {says}</li>)}</ul>;
}
