// All sites in one view: each site's numbers by its own read key, all of them over the one stream. A browser may watch 150 reports
// and a site takes up to four of them, so many sites come by pages; the file has them all.

import { useRef } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import type { Site } from "../../calls/session.js";
import type { Metrics } from "../../gen/pistats/query/v1/query_pb.js";
import { COUNTERS, TABLES, useReport } from "../../live/use.js";
import { Downloads } from "../../parts/downloads.js";
import { follow } from "../../parts/follow.js";
import { Glow } from "../../parts/glow.js";
import { Growth } from "../../parts/growth.js";
import { Icon } from "../../parts/icons.js";
import { RangePicker } from "../../parts/range.js";
import { Search } from "../../parts/search.js";
import { Spark } from "../../parts/spark.js";
import { Empty } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import type { Table } from "../../show/csv.js";
import { metric } from "../../show/metrics.js";
import { shown, whole } from "../../show/numbers.js";
import { sameHours } from "../../state/compare.js";
import { addressOf, go, state as page } from "../../state/page.js";
import { everything, realtime, totals, traffic } from "../../state/questions.js";
import { resolve } from "../../state/range.js";
import { useStore } from "../../state/store.js";
import type { State } from "../../state/url.js";
import { localDay } from "../../state/zone.js";
import { useContext, useSession } from "../context.js";

const PAGE = 25;

const COLUMNS = (["visitors", "sessions", "page_views", "bounce_rate"] as const).map(metric);
const NOW = "Different visitors with an event in the last 5 minutes of the server's clock.";

/** What a row shows, for the download. */
interface Shown {
  now: bigint | undefined;
  total: Metrics | undefined;
}

export function Sites() {
  const { sites, instance } = useSession();
  const { search, offset } = useStore(page).sites;
  const found = sites.filter(({ name }) => name.toLowerCase().includes(search.toLowerCase()));
  const from = Math.min(offset, Math.floor(Math.max(0, found.length - 1) / PAGE) * PAGE);
  const rows = found.slice(from, from + PAGE);
  const turn = (to: number) => go({ sites: { search, offset: to } });
  const all = useRef(new Map<string, Shown>());
  // What is not on the screen any more stands still.
  for (const name of all.current.keys()) if (!rows.some((site) => site.name === name)) all.current.delete(name);
  const table = async (): Promise<Table> => {
    const lines: Table["rows"] = [];
    for (const site of sites) {
      const { now, total } = all.current.get(site.name) ?? (await asked(site, page.get()));
      lines.push([site.name, now, ...COLUMNS.map((column) => column.of(total))]);
    }
    return { columns: ["site", "current_visitors", ...COLUMNS.map(({ key }) => key)], rows: lines };
  };
  const first = sites[0];
  if (!first) {
    return <section class="card"><Empty title="No site yet"><a class="button is-main" href={addressOf({ view: "setup" })}>Make the first one</a></Empty></section>;
  }
  return (
    <>
      <div class="bar-row">
        {instance && <a class="button" href={addressOf({ view: "setup", site: NEW_SITE })} onClick={(event) => follow(event, () => go({ view: "setup", site: NEW_SITE }))}><Icon name="plus" /> Site</a>}
        <div class="bar-end"><SitesRange site={first} /></div>
      </div>
      <section class="card" aria-label="All sites">
        {sites.length > PAGE && <header class="card-head"><Search value={search} onChange={(text) => go({ sites: { search: text, offset: 0 } }, true)} what="sites" /></header>}
        <div class="wide" tabIndex={0} role="region" aria-label="Sites">
          <table class="table sites">
            <thead>
              <tr>
                <th scope="col">Site</th>
                <th scope="col" class="is-number"><Term definition={NOW}>Now</Term></th>
                {COLUMNS.map((column) => <th key={column.key} scope="col" class="is-number"><Term definition={column.definition}>{column.label}</Term></th>)}
                <th scope="col">Visitors by step</th>
              </tr>
            </thead>
            <tbody>{rows.map((site) => <SiteRow key={site.name} site={site} onShown={(shown) => all.current.set(site.name, shown)} />)}</tbody>
          </table>
        </div>
        <footer class={sites.length > PAGE ? "card-foot pages" : "card-foot"}>
          {sites.length > PAGE && (
            <>
              <button type="button" class="button" disabled={from === 0} onClick={() => turn(from - PAGE)}><Icon name="left" /> Before</button>
              <span role="status">{found.length > 0 ? `${whole(from + 1)} – ${whole(from + rows.length)} of ${whole(found.length)}` : "No site is named so"}</span>
              <button type="button" class="button" disabled={from + PAGE >= found.length} onClick={() => turn(from + PAGE)}>After <Icon name="right" /></button>
            </>
          )}
          <Downloads what="all sites" name={["sites"]} table={table} />
        </footer>
      </section>
    </>
  );
}

/** What a row of the site would show now. */
async function asked({ readKey, zone }: Site, state: State): Promise<Shown> {
  if (!readKey) return { now: undefined, total: undefined };
  const { query } = calls(readKey);
  const today = localDay(zone, Date.now());
  const steps = state.range.key === "all" ? (await query.traffic(everything(today))).steps : [];
  const oldest = steps.find((step) => (step.metrics?.events ?? 0n) > 0n)?.day;
  const report = query.traffic(traffic({ ...state, filters: [] }, resolve(state.range, today, oldest)));
  const [{ total }, { currentVisitors }] = await Promise.all([report, query.realtime(realtime(state.bots, 10))]);
  return { now: currentVisitors, total };
}

/** Stands in the address for a site that is to be made; no host name has a space. */
export const NEW_SITE = "new site";

function SitesRange({ site }: { site: Site }) {
  return <RangePicker context={useContext(site)} opened={0} />;
}

function SiteRow({ site, onShown }: { site: Site; onShown: (shown: Shown) => void }) {
  const context = useContext(site);
  const { key, days, now } = context;
  // Filters are of one site.
  const state = { ...context.state, filters: [] };
  const report = useReport("traffic", key, { case: "traffic", value: traffic(state, days) }, TABLES);
  const live = useReport("realtime", key, { case: "realtime", value: realtime(state.bots, 10) }, COUNTERS);
  const times = sameHours(days, state.compare, site.zone, now);
  const same = useReport("traffic", key, times && { case: "traffic", value: totals(state, times) }, TABLES);
  const { answer, failure } = report;
  onShown({ now: live.answer?.currentVisitors, total: answer?.total });
  const before = state.compare === "none" ? undefined : times ? same.answer?.total : answer?.comparedTotal;
  const opened = { site: site.name, view: "overview" as const, filters: [], list: undefined };
  const values = (answer?.steps ?? []).filter((step) => Number(step.fromUs / 1000n) <= now).map((step) => Number(step.metrics?.visitors ?? 0n));
  return (
    <tr class={report.isFresh || !answer ? "" : "is-stale"}>
      <th scope="row"><a class="cell-main" href={addressOf(opened)} onClick={(event) => follow(event, () => go(opened))}><bdi>{site.name}</bdi></a></th>
      {failure ? <td colSpan={COLUMNS.length + 2} class="problem">{failure.code === 16 ? "This key no longer opens anything." : failure.message}</td> : (
        <>
          <td class="is-number"><Glow value={live.answer?.currentVisitors} of={live.question}>{live.answer ? whole(live.answer.currentVisitors) : "–"}</Glow></td>
          {COLUMNS.map((column) => {
            const value = column.of(answer?.total);
            return (
              <td key={column.key} class="is-number">
                <Glow value={shown(column, value, false)} of={answer ? report.question : ""} title={shown(column, value, false)}>{shown(column, value)}</Glow> <Growth metric={column} now={value} before={column.of(before)} />
              </td>
            );
          })}
          <td><Spark values={values} name={`Visitors of ${site.name} by step`} /></td>
        </>
      )}
    </tr>
  );
}
