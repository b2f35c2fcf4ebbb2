// Who comes back: a grid of cohorts by the periods after they came, as warm as many of them returned.

import type { Cohort, RetentionResponse } from "../../gen/pistats/query/v1/query_pb.js";
import { TABLES, useReport } from "../../live/use.js";
import { Choice } from "../../parts/choice.js";
import { Downloads } from "../../parts/downloads.js";
import { Filters } from "../../parts/filters.js";
import { follow } from "../../parts/follow.js";
import { Glow } from "../../parts/glow.js";
import { Empty, Failed, Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { percent, whole } from "../../show/numbers.js";
import { retentionTable } from "../../show/tables.js";
import { dayText, daysText } from "../../show/times.js";
import { daysBetween } from "../../state/days.js";
import { fromCell } from "../../segments/from.js";
import { writeDraft } from "../../segments/draft.js";
import { addressOf, go } from "../../state/page.js";
import { retention } from "../../state/questions.js";
import type { RetentionChoice } from "../../state/url.js";
import type { Context } from "../context.js";
import { opened } from "../segments/list.js";
import { NEW } from "../segments/segments.js";
import { mean } from "./mean.js";
import { periodAfter } from "./period.js";

const COHORT = "Visitors who start in this period.";
const CELL = "Those of the cohort with a return event in that many periods after their start; 0 is the period itself.";
const MEAN = "Of all cohorts that are old enough: those who returned, divided by those who started.";

/** So many cells the contract answers at most. */
const MAX_CELLS = 10_000;

export function Retention({ context }: { context: Context }) {
  const { state, key, days, site } = context;
  const choice = state.retention;
  const change = (patch: Partial<RetentionChoice>) => go({ retention: { ...choice, ...patch } });
  const periods = daysBetween(days.first, days.last) / { day: 1, week: 7, month: 30 }[choice.by];
  const isTooMany = (periods * (periods + 1)) / 2 > MAX_CELLS;
  const report = useReport("retention", isTooMany || site.isCookieless ? undefined : key, { case: "retention", value: retention(state, days) }, TABLES);
  const { answer, failure, isFresh } = report;
  if (site.isCookieless) {
    return (
      <section class="card"><Empty title="Retention is not available on a cookieless site">
        <p>Without cookies a visitor is known for one day only, so nobody can be seen to come back. Its visitors over more than a day are visitor-days.</p>
      </Empty></section>
    );
  }
  return (
    <section class="card" aria-label="Retention">
      <header class="card-head is-wrapping">
        <Choice name="Periods" value={choice.by} options={{ day: "Days", week: "Weeks", month: "Months" }} onChange={(by) => change({ by })} />
        <Choice name="Who starts" value={choice.mode} options={{ first: "First time", recurring: "Recurring" }} onChange={(mode) => change({ mode })}
          definition="First time: a visitor starts once, in the period of its first event ever (or first start event). Recurring: in every period with a start event." />
        {choice.by === "week" && <Choice name="Weeks from" value={choice.week} options={{ monday: "Monday", sunday: "Sunday" }} onChange={(week) => change({ week })} />}
        <Downloads what="retention" name={[site.name, "retention", choice.by, daysText(days)]} table={() => (answer ? retentionTable(answer) : { columns: [], rows: [] })} />
      </header>
      <div class="conditions">
        <span class="hint">Starts with</span>
        <Filters context={context} isOfEvents label={choice.start.length ? "and" : "any event"} filters={choice.start} onChange={(start) => change({ start })} />
        <span class="hint">Returns with</span>
        <Filters context={context} isOfEvents label={choice.returning.length ? "and" : "any event"} filters={choice.returning} onChange={(returning) => change({ returning })} />
      </div>
      {isTooMany ? (
        <Empty title="So many periods do not fit into one grid">
          <button type="button" class="button" onClick={() => change({ by: choice.by === "day" ? "week" : "month" })}>Show it by {choice.by === "day" ? "week" : "month"}</button>
        </Empty>
      ) : failure ? <Failed failure={failure} /> : !answer ? <Waiting rows={8} /> : answer.cohorts.every((cohort) => cohort.visitors === 0n) ? (
        <Empty title="Nobody starts in this range">
          {state.range.key !== "all" && <button type="button" class="button" onClick={() => go({ range: { key: "all" } })}>Show all time</button>}
        </Empty>
      ) : <Grid answer={answer} by={choice.by} question={report.question} isFresh={isFresh} open={(cohort, at) => treeOf(context, cohort, at)} />}
    </section>
  );
}

interface GridProps {
  answer: RetentionResponse;
  by: RetentionChoice["by"];
  question: string;
  isFresh: boolean;
  /** The tree of a cell's people; undefined where it cannot be said. */
  open: (cohort: Cohort, at: number) => string | undefined;
}

function Grid({ answer, by, question, isFresh, open }: GridProps) {
  const shown = answer.cohorts.filter((cohort) => cohort.visitors > 0n);
  const width = Math.max(...shown.map((cohort) => cohort.cells.length));
  const columns = Array.from({ length: width }, (_, at) => at);
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Retention grid">
      <table class={`heat${isFresh ? "" : " is-stale"}`}>
        <thead>
          <tr>
            <th scope="col"><Term definition={COHORT}>Cohort</Term></th>
            <th scope="col" class="is-number"><Term definition={COHORT}>Visitors</Term></th>
            {columns.map((at) => <th key={at} scope="col" class="is-number">{at === 0 ? <Term definition={CELL}>0</Term> : at}</th>)}
          </tr>
        </thead>
        <tbody>
          <tr class="mean">
            <th scope="row"><Term definition={MEAN}>All</Term></th>
            <td class="is-number">{whole(shown.reduce((sum, cohort) => sum + cohort.visitors, 0n))}</td>
            {columns.map((at) => <Cell key={at} {...mean(shown, at)} label={`All, period ${at}`} question={question} />)}
          </tr>
          {shown.map((cohort) => (
            <tr key={cohort.firstDay}>
              <th scope="row">{cohortText(cohort, by)}</th>
              <td class="is-number"><Glow value={cohort.visitors} of={question}>{whole(cohort.visitors)}</Glow></td>
              {columns.map((at) => <Cell key={at} of={cohort.visitors} returned={cohort.cells[at]} label={`${cohortText(cohort, by)}, period ${at}`} question={question} tree={open(cohort, at)} />)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const HALF = 0.5;

/** How much of the accent is mixed in. The middle is left out: neither dark nor light text can be read on it. */
function heat(share: number): number {
  return Math.round(share > HALF ? 88 + (share - HALF) * 24 : share * 90);
}

interface CellProps {
  of: bigint;
  returned: bigint | undefined;
  label: string;
  question: string;
  tree?: string | undefined;
}

/** A click opens its people as a segment. */
function Cell({ of, returned, label, question, tree }: CellProps) {
  if (returned === undefined || of === 0n) return <td class="heat-cell is-none" />;
  const share = Number(returned) / Number(of);
  const shown = (
    <>
      <Glow value={returned} of={question}>{percent(share)}</Glow>
      <span class="sr-only">, {whole(returned)} visitors</span>
    </>
  );
  const begun = opened({ id: NEW, tree: tree ?? "" });
  return (
    <td class={`heat-cell${share > HALF ? " is-hot" : ""}`} style={{ "--heat": `${heat(share)}%` }} title={`${label}: ${whole(returned)} of ${whole(of)} visitors (${percent(share, 1)})${tree ? ". Opens these people as a segment" : ""}`}>
      {tree && returned > 0n ? <a href={addressOf(begun)} onClick={(event) => follow(event, () => go(begun))}>{shown}</a> : shown}
    </td>
  );
}

/** The people of a cell as the tree of a segment, for the address. */
function treeOf({ state }: Context, { firstDay, lastDay }: Cohort, at: number): string | undefined {
  const { by, mode, start, returning } = state.retention;
  if (state.bots !== "exclude") return undefined;
  const draft = fromCell({ mode, filters: state.filters, start, returning, cohort: { first: firstDay, last: lastDay }, cell: periodAfter({ first: firstDay, last: lastDay }, by, at) });
  return draft && writeDraft(draft);
}

function cohortText({ firstDay, lastDay }: Cohort, by: RetentionChoice["by"]): string {
  if (by === "month") return dayText(firstDay, { month: "short", year: "numeric" });
  if (by === "day") return dayText(firstDay, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
  return daysText({ first: firstDay, last: lastDay });
}
