// How many visitors take steps one after the other: an editor of the steps, and what came of each.

import { useState } from "preact/hooks";
import type { FunnelResponse } from "../../gen/pistats/query/v1/query_pb.js";
import { TABLES, useReport } from "../../live/use.js";
import { Choice } from "../../parts/choice.js";
import { Downloads } from "../../parts/downloads.js";
import { chipText, Filters } from "../../parts/filters.js";
import { Glow } from "../../parts/glow.js";
import { Icon } from "../../parts/icons.js";
import { Empty, Failed, Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { duration, percent, whole } from "../../show/numbers.js";
import { funnelTable } from "../../show/tables.js";
import { daysText } from "../../show/times.js";
import type { FilterChoice } from "../../state/filter.js";
import { go } from "../../state/page.js";
import { funnel } from "../../state/questions.js";
import type { FunnelChoice } from "../../state/url.js";
import type { Context } from "../context.js";

const LIMITS: [seconds: number, name: string][] = [
  [0, "no limit"], [600, "10 minutes"], [1800, "30 minutes"], [3600, "an hour"], [86_400, "a day"], [604_800, "7 days"], [2_592_000, "30 days"],
];
const MAX_STEPS = 20;

const VISITORS = "Visitors of whom any run that starts in the range reached this step; each step strictly later than the one before.";
const DROP = "Visitors of the step before who did not reach this one.";
const TIME = "Mean time from the step before, over the runs that reached this step.";

export function Funnels({ context }: { context: Context }) {
  const { state, key, days, site } = context;
  const choice = state.funnel;
  const change = (patch: Partial<FunnelChoice>) => go({ funnel: { ...choice, ...patch } });
  const question = choice.steps.length > 0 ? { case: "funnel" as const, value: funnel(state, days) } : undefined;
  const report = useReport("funnel", key, question, TABLES);
  const labels = choice.steps.map(stepText);
  return (
    <div class="split">
      <section class="card" aria-label="Steps">
        <header class="card-head"><h2>Steps</h2></header>
        <Steps steps={choice.steps} onChange={(steps) => change({ steps })} context={context} />
        <div class="conditions is-column">
          <label class="select"><span class="hint">All within </span>
            <select value={choice.limit} onChange={(event) => change({ limit: Number(event.currentTarget.value) })}>
              {(LIMITS.some(([seconds]) => seconds === choice.limit) ? LIMITS : [...LIMITS, [choice.limit, duration(choice.limit * 1e6)] as const]).map(([seconds, name]) => <option key={seconds} value={seconds}>{name}</option>)}
            </select>
          </label>
          <Choice name="Between steps" value={choice.order} options={{ loose: "Anything", strict: "Nothing" }} onChange={(order) => change({ order })}
            definition="Nothing: a step is the very next selected event of the visitor." />
          <Choice name="Count" value={choice.reentry ? "runs" : "visitors"} options={{ visitors: "Visitors", runs: "Every run" }} onChange={(count) => change({ reentry: count === "runs" })}
            definition="Every run: a visitor may go through again, from its first start after the run before." />
        </div>
      </section>
      <section class="card" aria-label="Result">
        <header class="card-head"><h2>Result</h2>
          <Downloads what="the funnel" name={[site.name, "funnel", daysText(days)]} table={() => (report.answer ? funnelTable(report.answer, labels) : { columns: [], rows: [] })} />
        </header>
        {!question ? <Suggestions onPick={(steps) => change({ steps })} /> : report.failure ? <Failed failure={report.failure} />
          : !report.answer ? <Waiting rows={choice.steps.length * 2} /> : <Result answer={report.answer} labels={labels} isRuns={choice.reentry} question={report.question} isFresh={report.isFresh} />}
      </section>
    </div>
  );
}

export function stepText(step: FilterChoice[]): string {
  return step.length ? step.map(chipText).join(" and ") : "Any event";
}

function Steps({ steps, onChange, context }: { steps: FilterChoice[][]; onChange: (steps: FilterChoice[][]) => void; context: Context }) {
  const [said, say] = useState("");
  const swap = (at: number) => {
    const next = [...steps];
    next.splice(at - 1, 2, ...steps.slice(at - 1, at + 1).reverse());
    onChange(next);
    say(`Step ${at + 1} is step ${at} now`);
  };
  return (
    <>
      <ol class="steps">
        {steps.map((step, at) => (
          <li key={at} class="step">
            <span class="step-number">{at + 1}</span>
            <Filters context={context} isOfEvents label={step.length ? "and" : "Any event: choose"} filters={step} onChange={(filters) => onChange(steps.map((each, place) => (place === at ? filters : each)))} />
            <span class="step-tools">
              {at > 0 && <button type="button" class="tool" aria-label={`Move step ${at + 1} up`} title="Earlier" onClick={() => swap(at)}>↑</button>}
              <button type="button" class="tool" aria-label={`Remove step ${at + 1}`} title="Remove" onClick={() => onChange(steps.filter((_, place) => place !== at))}><Icon name="close" /></button>
            </span>
          </li>
        ))}
      </ol>
      <p class="sr-only" role="status">{said}</p>
      <p><button type="button" class="button" disabled={steps.length >= MAX_STEPS} onClick={() => onChange([...steps, []])}><Icon name="plus" /> Step</button></p>
    </>
  );
}

function Suggestions({ onPick }: { onPick: (steps: FilterChoice[][]) => void }) {
  const is = (by: string, value: string): FilterChoice => ({ by, operator: "is", values: [value] });
  return (
    <Empty title="A funnel needs steps">
      <p>Each step is an event: a page, an event's name, a property. For a start:</p>
      <p class="actions">
        <button type="button" class="button" onClick={() => onPick([[is("event_name", "page_view")], [{ by: "event_name", operator: "is_not", values: ["page_view"] }]])}>A page, then anything done</button>
        <button type="button" class="button" onClick={() => onPick([[is("event_name", "page_view")], [is("event_name", "add_to_cart")], [is("event_name", "purchase")]])}>A page, into the cart, bought</button>
      </p>
    </Empty>
  );
}

function Result({ answer, labels, isRuns, question, isFresh }: { answer: FunnelResponse; labels: string[]; isRuns: boolean; question: string; isFresh: boolean }) {
  const count = (at: number) => Number((isRuns ? answer.steps[at]?.runs : answer.steps[at]?.visitors) ?? 0n);
  const first = count(0);
  const last = count(answer.steps.length - 1);
  const what = isRuns ? "runs" : "visitors";
  if (first === 0) return <Empty title="Nobody took the first step in this range" />;
  return (
    <div class={isFresh ? "" : "is-stale"}>
      <p class="funnel-sum"><b>{percent(last / first, 1)}</b> of {whole(first)} {what} went all the way: <b>{whole(last)}</b>.</p>
      <ol class="funnel">
        {answer.steps.map((step, at) => {
          const now = count(at);
          const before = at === 0 ? now : count(at - 1);
          return (
            <li key={at} data-step={at + 1}>
              <div class="funnel-head"><span class="step-number">{at + 1}</span><bdi class="funnel-name" title={labels[at]}>{labels[at]}</bdi>
                <Term definition={VISITORS}><b class="funnel-count"><Glow value={now} of={question}>{whole(now)}</Glow></b></Term><span class="share">{percent(now / first)}</span></div>
              <div class="funnel-track"><span class="funnel-bar" style={{ inlineSize: `${(now / first) * 100}%` }} /></div>
              {at > 0 && (
                <p class="hint funnel-note">
                  <Term definition={DROP}>−{whole(before - now)} ({before ? percent((before - now) / before) : "–"}) left</Term>
                  {step.runs > 0n && <> · <Term definition={TIME}>{duration(Number(step.sincePreviousUs) / Number(step.runs))} after the step before</Term></>}
                </p>
              )}
            </li>
          );
        })}
      </ol>
    </div>
  );
}
