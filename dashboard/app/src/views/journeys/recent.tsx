// Visitors who were there last, in the range and under the filters. The list is renewed when the watched numbers move.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import type { ExportedEvent } from "../../gen/pistats/query/v1/query_pb.js";
import { useReport } from "../../live/use.js";
import { CountryCode } from "../../parts/country.js";
import { Downloads } from "../../parts/downloads.js";
import { follow } from "../../parts/follow.js";
import { Empty, Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { valueName } from "../../show/names.js";
import { whole } from "../../show/numbers.js";
import { instant } from "../../show/tables.js";
import { agoText, daysText, instantText } from "../../show/times.js";
import { asFilter } from "../../state/filter.js";
import { addressOf, go } from "../../state/page.js";
import { BOTS, timesRange, traffic } from "../../state/questions.js";
import { create } from "@bufbuild/protobuf";
import { TimeRangeSchema } from "../../gen/pistats/query/v1/query_pb.js";
import type { Context } from "../context.js";
import { eventsTable, MOST_EVENTS } from "./export.js";
import { stretch, visits, type Visit } from "./latest.js";

const ENOUGH = 400;
/** A stretch can hold far more, where a step of time is a busy one: its first events are left out then. */
const MOST = 20_000;
const SHOWN = 100;

export function Recent({ context }: { context: Context }) {
  const { state, key, days, site, now } = context;
  const range = useReport("traffic", key, { case: "traffic", value: traffic({ ...state, compare: "none", interval: undefined }, days) }, 0.5);
  const [found, setFound] = useState<Visit[]>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (!range.answer || !range.isFresh || !key) return;
    const part = stretch(range.answer.steps, ENOUGH);
    if (!part) return setFound([]);
    const ended = new AbortController();
    void latest(context, part, ended.signal)
      .then((events) => { setFound(visits(events, SHOWN)); setProblem(""); })
      .catch((error: unknown) => ended.signal.aborted || setProblem(sentence(error)));
    return () => ended.abort();
  }, [range.answer, range.isFresh, key]);
  return (
    <section class="card" aria-label="Recent visitors">
      <header class="card-head">
        <h2><Term definition="Visitors with an event in the range, under its filters, the one seen last first. A visitor is a keyed hash: nobody's name.">Recent visitors</Term></h2>
        <form class="find" onSubmit={(event) => { event.preventDefault(); const visitor = new FormData(event.currentTarget).get("visitor"); if (visitor) go({ visitor: String(visitor).trim() }); }}>
          <input class="input" name="visitor" aria-label="Visitor: its key, or your own id of it" placeholder="Key, or id:your-own-id" autocomplete="off" />
          <button class="button" type="submit">Find</button>
        </form>
        <Downloads what="recent visitors" name={[site.name, "visitors", daysText(days)]} table={() => ({
          columns: ["visitor", "user_id", "country", "device", "browser", "source", "first_event", "last_event", "events", "pages"],
          rows: (found ?? []).map((visit) => [visit.visitor, visit.userId, visit.country, visit.device, visit.browser, visit.source, instant(visit.first.timeUs), instant(visit.last.timeUs), visit.events, visit.pages.join(" > ")]),
        })} />
      </header>
      <p class="card-foot hint">Every event of the range, at most {whole(MOST_EVENTS)}: <Downloads what="events" name={[site.name, "events", daysText(days)]} table={() => eventsTable(context)} /></p>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {!found ? <Waiting rows={10} /> : found.length === 0 ? (
        <Empty title="Nobody in this range">{state.range.key !== "all" && <button type="button" class="button" onClick={() => go({ range: { key: "all" } })}>Show all time</button>}</Empty>
      ) : (
        <ol class="visits">
          {found.map((visit) => <VisitLine key={visit.visitor} visit={visit} zone={site.zone} now={now} />)}
        </ol>
      )}
    </section>
  );
}

function VisitLine({ visit, zone, now }: { visit: Visit; zone: string; now: number }) {
  const last = Number(visit.last.timeUs / 1000n);
  const opened = { visitor: visit.visitor };
  return (
    <li>
      <a class="visit" href={addressOf(opened)} onClick={(event) => follow(event, () => go(opened))}>
        <span class="visit-who"><CountryCode country={visit.country} /> <bdi>{visit.userId || visit.visitor.slice(0, 8)}</bdi></span>
        <span class="visit-what hint">{[valueName("country", visit.country), valueName("device", visit.device), visit.browser, valueName("source", visit.source)].filter(Boolean).join(" · ")}</span>
        <bdi class="visit-pages">{visit.pages.slice(-4).map(pathOf).join(" › ")}</bdi>
        <span class="visit-count">{whole(visit.events)} {visit.events === 1 ? "event" : "events"}</span>
        <time class="hint" dateTime={new Date(last).toISOString()} title={instantText(last, zone)}>{agoText(last, Math.max(now, last))}</time>
      </a>
    </li>
  );
}

/** A page without its host: in a line of several pages of one site it would only repeat. */
function pathOf(page: string): string {
  const at = page.indexOf("/");
  return at > 0 ? page.slice(at) : page;
}

async function latest({ state, key }: Context, part: { fromUs: bigint; toUs: bigint; events: number }, signal: AbortSignal): Promise<ExportedEvent[]> {
  const range = timesRange(create(TimeRangeSchema, { fromUs: part.fromUs, toUs: part.toUs }));
  const events: ExportedEvent[] = [];
  for await (const message of calls(key).query.export({ range, filters: state.filters.map(asFilter), bots: BOTS[state.bots] }, { signal })) {
    events.push(...message.events);
    if (events.length > 2 * MOST) events.splice(0, events.length - MOST);
  }
  return events;
}
