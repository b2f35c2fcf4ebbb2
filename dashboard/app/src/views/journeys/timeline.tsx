// One visitor's sessions and their events, the newest session first. It is asked for anew while the visitor's site moves.

import { Code } from "@connectrpc/connect";
import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { codeOf, sentence } from "../../calls/failure.js";
import type { ExportedEvent, JourneyResponse, JourneySession } from "../../gen/pistats/query/v1/query_pb.js";
import { useReport } from "../../live/use.js";
import { CountryCode } from "../../parts/country.js";
import { Downloads } from "../../parts/downloads.js";
import { Icon } from "../../parts/icons.js";
import { Empty, Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { valueName } from "../../show/names.js";
import { decimal, duration, whole } from "../../show/numbers.js";
import { instant } from "../../show/tables.js";
import { clockText, instantText } from "../../show/times.js";
import { realtime } from "../../state/questions.js";
import type { Context } from "../context.js";

export function Timeline({ visitor, context, onBack }: { visitor: string; context: Context; onBack: () => void }) {
  const { key, site, state } = context;
  const [journey, setJourney] = useState<JourneyResponse>();
  const [older, setOlder] = useState<JourneySession[]>([]);
  const [before, setBefore] = useState<bigint>(0n);
  const [problem, setProblem] = useState("");
  // A site where something happens has another as_of; at most once in three seconds is often enough for one visitor.
  const { answer } = useReport("realtime", key, { case: "realtime", value: realtime(state.bots, 10) }, 1 / 3);
  const moved = answer?.asOf?.nextOffsets.join() ?? "";
  // `id:` marks the site's own id; anything else is the visitor's key, as Export tells it.
  const who = visitor.startsWith("id:") ? { case: "visitorId" as const, value: visitor.slice(3) } : { case: "visitor" as const, value: visitor };

  useEffect(() => {
    if (!key) return;
    const ended = new AbortController();
    calls(key).query.journey({ who }, { signal: ended.signal })
      .then((found) => { setJourney(found); setProblem(""); setBefore((kept) => (kept === 0n ? found.nextBeforeUs : kept)); })
      .catch((error: unknown) => ended.signal.aborted || setProblem(codeOf(error) === Code.NotFound ? "The site never saw this visitor." : sentence(error)));
    return () => ended.abort();
  }, [key, visitor, moved]);

  const more = async () => {
    try {
      const page = await calls(key).query.journey({ who, beforeUs: before });
      setOlder([...older, ...page.sessions]);
      setBefore(page.nextBeforeUs);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  // What the newest page holds may overlap the older ones after a session came; each session once.
  const sessions = [...new Map([...older, ...(journey?.sessions ?? [])].map((session) => [session.startUs, session])).values()].sort((a, b) => (a.startUs < b.startUs ? 1 : -1));
  return (
    <section class="card" aria-label="Journey">
      <header class="card-head">
        <button type="button" class="button is-quiet" onClick={onBack}><Icon name="left" /> Recent visitors</button>
        <h2><Term definition="A visitor is kept as a keyed hash of the id that your site gave; it is nobody's name.">Visitor <bdi>{(journey?.visitor ?? visitor).slice(0, 12)}</bdi></Term></h2>
        <Downloads what="this journey" name={[site.name, "journey", visitor]} table={() => ({
          columns: ["time", "session_start", "name", "page", "title", "source", "country", "value", "properties"],
          rows: sessions.flatMap((session) => session.events.map((event) => [instant(event.timeUs), instant(session.startUs), event.name, event.page, event.title, event.source, event.country,
            event.valueMicros === undefined ? undefined : Number(event.valueMicros) / 1e6, JSON.stringify(event.properties)])),
        })} />
      </header>
      {problem && <Empty title={problem}><button type="button" class="button" onClick={onBack}>Recent visitors</button></Empty>}
      {!journey && !problem && <Waiting rows={10} />}
      {journey && (
        <dl class="facts">
          <div><dt>First seen</dt><dd>{instantText(Number(journey.firstSeenUs / 1000n), site.zone)}</dd></div>
          <div><dt>Last seen</dt><dd>{instantText(Number(journey.lastSeenUs / 1000n), site.zone)}</dd></div>
          <div><dt>Sessions</dt><dd>{whole(journey.totalSessions)}</dd></div>
          <div><dt>Events</dt><dd>{whole(journey.totalEvents)}</dd></div>
        </dl>
      )}
      {sessions.map((session) => <Session key={String(session.startUs)} session={session} zone={site.zone} />)}
      {before !== 0n && journey && <p><button type="button" class="button" onClick={() => void more()}>Older sessions</button></p>}
    </section>
  );
}

function Session({ session, zone }: { session: JourneySession; zone: string }) {
  const first = session.events[0];
  const about = first ? [valueName("source", first.source), valueName("country", first.country), valueName("device", first.device), first.browser, first.os].filter(Boolean).join(" · ") : "";
  return (
    <article class="session">
      <h3>{first && <CountryCode country={first.country} />} {instantText(Number(session.startUs / 1000n), zone)}</h3>
      <p class="hint">{about} · {duration(Number(session.endUs - session.startUs))} · {whole(session.totalEvents)} {session.totalEvents === 1n ? "event" : "events"}</p>
      <ol class="timeline">
        {session.events.map((event, at) => <Event key={at} event={event} zone={zone} />)}
      </ol>
      {BigInt(session.events.length) < session.totalEvents && <p class="hint">The first {whole(session.events.length)} of {whole(session.totalEvents)} events.</p>}
    </article>
  );
}

function Event({ event, zone }: { event: ExportedEvent; zone: string }) {
  const properties = Object.entries(event.properties);
  return (
    <li class={event.name === "page_view" ? "event" : "event is-own"}>
      <time dateTime={new Date(Number(event.timeUs / 1000n)).toISOString()}>{clockText(Number(event.timeUs / 1000n), zone)}</time>
      <span class="event-what">
        {event.name !== "page_view" && <b><bdi>{event.name}</bdi> </b>}
        <bdi title={event.url}>{event.page || event.url || "(no page)"}</bdi>
        {event.title && <span class="hint"> <bdi>{event.title}</bdi></span>}
        {event.valueMicros !== undefined && <span class="event-value">{decimal(Number(event.valueMicros) / 1e6, 2)}</span>}
        {properties.length > 0 && <span class="hint"> {properties.map(([key, value]) => <span key={key} class="property"><bdi>{key}</bdi>: <bdi>{value}</bdi></span>)}</span>}
      </span>
    </li>
  );
}
