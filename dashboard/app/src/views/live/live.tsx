// What is happening now: the same layout as the overview, of the last 30 minutes by the minute and the visitors of the last 5.
// A row leads to the overview of today with it as a filter.

import { useMemo } from "preact/hooks";
import type { LiveRow, RealtimeResponse } from "../../gen/pistats/query/v1/query_pb.js";
import { COUNTERS, TABLES, useReport, type Report } from "../../live/use.js";
import { Chart, type Point } from "../../parts/chart.js";
import { Downloads } from "../../parts/downloads.js";
import { Glow } from "../../parts/glow.js";
import { ListRow } from "../../parts/row.js";
import { Empty, Failed, Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { pageLink } from "../../show/names.js";
import { compact, decimal, short, whole } from "../../show/numbers.js";
import { minuteText } from "../../show/times.js";
import { go } from "../../state/page.js";
import { realtime } from "../../state/questions.js";
import type { Context } from "../context.js";

const NOW = "Different visitors with an event in the last 5 minutes, by the server's clock. Late events never count.";
const RATE = "Events received a second: the mean of the last 10 whole seconds.";
const MINUTES = "Events by minute of their own time, of the last 30 minutes. The last minute is not over.";
const TREND = "Topics that are talked about more than usual: (rate − usual) / √(usual + 1). Rate: events a minute, younger ones weighing more (half after 5 minutes). Usual: events a minute in the same hour of the 7 days before.";

export function Live({ context }: { context: Context }) {
  const { state, key, site } = context;
  const question = { case: "realtime" as const, value: realtime(state.bots, 10) };
  const report = useReport("realtime", key, question, COUNTERS);
  const slow = useReport("realtime", key, question, TABLES);
  const { answer, failure } = report;
  if (failure) return <Failed failure={failure} />;
  return (
    <>
      <section class="card traffic" aria-label="Now">
        <div class="totals">
          <Now name="Current visitors" definition={NOW} report={report} value={(now) => now.currentVisitors} text={(value) => whole(value)} />
          <Now name="Events a second" definition={RATE} report={report} value={(now) => now.eventsPerSecond} text={(value) => decimal(Number(value), 1)} />
          <Now name="Events in 30 minutes" definition={MINUTES} report={report} value={(now) => now.minutes.reduce((sum, count) => sum + count, 0n)} text={(value) => whole(value)} />
        </div>
        <Minutes answer={answer} zone={site.zone} />
        <footer class="card-foot">
          <span class="hint">{answer?.isCut ? "More happens than is kept in memory: these numbers are lower bounds." : "Moves by itself: folded events, committed or not."}</span>
          <Downloads what="the last 30 minutes" name={[site.name, "live"]} table={() => ({ columns: ["minute", "events"], rows: minutesOf(answer).map(([from, events]) => [new Date(from).toISOString(), events]) })} />
        </footer>
      </section>
      <div class="cards">
        <LiveList title="Pages" by="page" report={slow} rows={(now) => now.topPages} context={context} />
        <LiveList title="Sources" by="source" report={slow} rows={(now) => now.topSources} context={context} />
        <LiveList title="Countries" by="country" report={slow} rows={(now) => now.topCountries} context={context} />
        <Trending report={slow} name={site.name} />
      </div>
    </>
  );
}

function Now({ name, definition, report, value, text }: { name: string; definition: string; report: Report<RealtimeResponse>; value: (answer: RealtimeResponse) => bigint | number; text: (value: bigint | number) => string }) {
  const now = report.answer && value(report.answer);
  return (
    <div class="total is-plain" data-metric={name}>
      <span class="total-name"><Term definition={definition}>{name}</Term></span>
      <span class="total-number"><Glow value={now} of={report.answer ? report.question : ""}>{now === undefined ? "–" : text(now)}</Glow></span>
    </div>
  );
}

/** Start of each minute, and its events. */
function minutesOf(answer: RealtimeResponse | undefined): [from: number, events: bigint][] {
  if (!answer) return [];
  const last = Math.floor(Number(answer.nowUs / 1000n) / 60_000) * 60_000;
  return answer.minutes.map((events, at) => [last - (answer.minutes.length - 1 - at) * 60_000, events]);
}

function Minutes({ answer, zone }: { answer: RealtimeResponse | undefined; zone: string }) {
  const drawn = useMemo(() => {
    const minutes = minutesOf(answer);
    return minutes.map(([from, events], at): Point => ({ label: minuteText(from, zone), tick: minuteText(from, zone), value: Number(events), isUnfinished: at === minutes.length - 1 }));
  }, [answer?.minutes.join(), zone]);
  return <Chart points={drawn} show={(value) => (value === undefined ? "–" : short(value))} tick={compact} name="Events" isBars height={180} />;
}

function LiveList({ title, by, report, rows, context }: { title: string; by: string; report: Report<RealtimeResponse>; rows: (answer: RealtimeResponse) => LiveRow[]; context: Context }) {
  const found = report.answer && rows(report.answer);
  const most = Number(found?.[0]?.visitors ?? 0n);
  return (
    <section class="card" aria-label={title} data-card={by}>
      <header class="card-head"><h2>{title}</h2><Term definition={NOW}>Visitors</Term></header>
      {!found ? <Waiting rows={10} /> : found.length === 0 ? <Empty title="Nobody in the last 5 minutes" /> : (
        <ol class="rows">
          {found.map(({ value, visitors }) => (
            <ListRow key={value} by={by} value={value} part={most ? Number(visitors) / most : 0} link={pageLink(by, value, context.site.name)}
              onPick={() => go({ view: "overview", range: { key: "today" }, filters: [{ by, operator: "is", values: [value] }] })}>
              <Glow value={visitors} of={report.question} title={whole(visitors)}>{short(visitors)}</Glow>
            </ListRow>
          ))}
        </ol>
      )}
      <footer class="card-foot"><Downloads what={`${title} now`} name={[context.site.name, "live", by]} table={() => ({ columns: [by, "visitors"], rows: (found ?? []).map(({ value, visitors }) => [value, visitors]) })} /></footer>
    </section>
  );
}

function Trending({ report, name }: { report: Report<RealtimeResponse>; name: string }) {
  const found = report.answer?.trending;
  const most = found?.[0]?.score ?? 0;
  return (
    <section class="card" aria-label="Trending topics" data-card="topic">
      <header class="card-head"><h2>Trending topics</h2><Term definition={TREND}>a minute · usual</Term></header>
      {!found ? <Waiting rows={10} /> : found.length === 0 ? <Empty title="No topic is talked about more than usual" /> : (
        <ol class="rows">
          {found.map(({ topic, score, rate, usual }) => (
            <ListRow key={topic} by="topic" value={topic} part={most ? score / most : 0}
              onPick={() => go({ view: "overview", range: { key: "today" }, filters: [{ by: "topic", operator: "is", values: [topic] }] })}>
              <Glow value={decimal(rate, 1)} of={report.question} title={`Score ${decimal(score, 2)}`}>{decimal(rate, 1)}</Glow>
              <span class="share" title="Events a minute in the same hour of the 7 days before">{decimal(usual, 1)}</span>
            </ListRow>
          ))}
        </ol>
      )}
      <footer class="card-foot"><Downloads what="trending topics" name={[name, "trending"]} table={() => ({ columns: ["topic", "events_a_minute", "usual_a_minute", "score"], rows: (found ?? []).map(({ topic, rate, usual, score }) => [topic, rate, usual, score]) })} /></footer>
    </section>
  );
}
