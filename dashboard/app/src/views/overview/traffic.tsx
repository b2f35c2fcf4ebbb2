// The numbers of the range, and the chart of the chosen one.

import { useMemo } from "preact/hooks";
import type { Metrics } from "../../gen/pistats/query/v1/query_pb.js";
import { COUNTERS, useReport } from "../../live/use.js";
import { Chart } from "../../parts/chart.js";
import { Downloads } from "../../parts/downloads.js";
import { Glow } from "../../parts/glow.js";
import { Growth } from "../../parts/growth.js";
import { Empty, Failed } from "../../parts/state.js";
import { METRICS, metric, type MetricInfo } from "../../show/metrics.js";
import { shown, ticked } from "../../show/numbers.js";
import { stepsTable } from "../../show/tables.js";
import { daysText } from "../../show/times.js";
import { COMPARE_NAMES, sameHours } from "../../state/compare.js";
import { addressOf, go } from "../../state/page.js";
import { intervalFor, totals, traffic } from "../../state/questions.js";
import { intervals } from "../../state/range.js";
import type { Context } from "../context.js";
import { points } from "./points.js";

/** When the first numbers were there: read by the tests and the bench. */
export const DATA_MARK = "pistats-overview-data";

export function Traffic({ context }: { context: Context }) {
  const { state, key, days, site, now } = context;
  const report = useReport("traffic", key, { case: "traffic", value: traffic(state, days) }, COUNTERS);
  const times = sameHours(days, state.compare, site.zone, now);
  const same = useReport("traffic", key, times && { case: "traffic", value: totals(state, times) }, COUNTERS);
  const { answer, failure, isFresh } = report;
  const before = state.compare === "none" ? undefined : times ? same.answer?.total : answer?.comparedTotal;
  if (answer && performance.getEntriesByName(DATA_MARK).length === 0) performance.mark(DATA_MARK);
  const interval = intervalFor(state, days);
  const chosen = metric(state.metric);
  const isOfDays = site.isCookieless === true && days.first !== days.last;
  const hasValue = (answer?.total?.valueCount ?? 0n) > 0n;
  const drawn = useMemo(() => (answer ? points(answer, chosen, site.zone, interval, now) : []), [answer, chosen, site.zone, interval, now]);
  const isEmpty = answer?.total?.events === 0n && !before?.events && !answer.comparedTotal?.events;
  return (
    <section class={`card traffic${isFresh || !answer ? "" : " is-stale"}`} aria-label="Traffic" aria-busy={!answer}>
      <div class="totals" role="group" aria-label="Numbers of the range; the chosen one is drawn">
        {METRICS.filter((each) => each.key !== "value" || hasValue).map((each) => (
          <Total key={each.key} metric={isOfDays ? asDays(each) : each} now={answer?.total} before={before} question={report.question} isChosen={each.key === chosen.key} />
        ))}
      </div>
      {failure ? <Failed failure={failure} /> : isEmpty ? <Nothing context={context} /> : (
        <Chart points={drawn} show={(value) => shown(chosen, value)} tick={(value) => ticked(chosen, value)} name={chosen.label} comparedName={state.compare === "none" ? undefined : COMPARE_NAMES[state.compare]} />
      )}
      <footer class="card-foot">
        <div class="tabs" role="group" aria-label="Steps of time">
          {intervals(days).map((each) => (
            <button key={each} type="button" class="tab" aria-pressed={each === interval} onClick={() => go({ interval: each }, true)}>{each}</button>
          ))}
        </div>
        {times && <span class="hint">Compared up to the same time of the day.</span>}
        <Downloads what="traffic" name={[site.name, "traffic", daysText(days)]} table={() => stepsTable(answer?.steps ?? [], answer?.comparedSteps ?? [])} />
      </footer>
    </section>
  );
}

/** Without cookies a visitor is known for one day only: over more than a day these are visitor-days. */
function asDays(each: MetricInfo): MetricInfo {
  if (each.key === "visitors") return { ...each, label: "Visitor-days", definition: "Different visitors of each day, added up: the site is cookieless, so nobody is known on another day." };
  if (each.key === "new_visitors") return { ...each, definition: "On a cookieless site every visitor of a day is new: nobody is known on another day." };
  return each;
}

interface TotalProps {
  metric: MetricInfo;
  now: Metrics | undefined;
  before: Metrics | undefined;
  question: string;
  isChosen: boolean;
}

function Total({ metric: each, now, before, question, isChosen }: TotalProps) {
  const value = each.of(now);
  const id = `definition-${each.key}`;
  return (
    <button type="button" class="total" aria-pressed={isChosen} aria-describedby={id} data-metric={each.key} onClick={() => go({ metric: each.key }, true)}>
      <span class="total-name">{each.label}</span>
      <span class="total-number"><Glow value={shown(each, value, false)} of={now ? question : ""}>{shown(each, value)}</Glow></span>
      <span class="total-growth"><Growth metric={each} now={value} before={each.of(before)} /></span>
      <span role="tooltip" class="tip" id={id}>{each.definition}{value !== undefined && ` Exactly: ${shown(each, value, false)}.`}</span>
    </button>
  );
}

function Nothing({ context: { state } }: { context: Context }) {
  return (
    <Empty title="Nothing happened in this range">
      <p class="actions">
        {state.filters.length > 0 && <button type="button" class="button" onClick={() => go({ filters: [] })}>Show it without filters</button>}
        {state.range.key !== "all" && <button type="button" class="button" onClick={() => go({ range: { key: "all" } })}>Show all time</button>}
        <a class="button" href={addressOf({ view: "setup" })}>Set up the site</a>
      </p>
    </Empty>
  );
}
