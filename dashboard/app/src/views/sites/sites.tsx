// All sites in one view: each site's numbers by its own read key, all of them over the one stream.

import { useRef } from "preact/hooks";
import type { Site } from "../../calls/session.js";
import type { Metrics } from "../../gen/pistats/query/v1/query_pb.js";
import { COUNTERS, TABLES, useReport } from "../../live/use.js";
import { Downloads } from "../../parts/downloads.js";
import { follow } from "../../parts/follow.js";
import { Glow } from "../../parts/glow.js";
import { Growth } from "../../parts/growth.js";
import { Icon } from "../../parts/icons.js";
import { RangePicker } from "../../parts/range.js";
import { Spark } from "../../parts/spark.js";
import { Empty } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import type { Table } from "../../show/csv.js";
import { metric } from "../../show/metrics.js";
import { shown, whole } from "../../show/numbers.js";
import { sameHours } from "../../state/compare.js";
import { addressOf, go } from "../../state/page.js";
import { realtime, totals, traffic } from "../../state/questions.js";
import { useContext, useSession } from "../context.js";

const COLUMNS = (["visitors", "sessions", "page_views", "bounce_rate"] as const).map(metric);
const NOW = "Different visitors with an event in the last 5 minutes of the server's clock.";

/** What a row shows, for the download. */
interface Shown {
  now: bigint | undefined;
  total: Metrics | undefined;
}

export function Sites() {
  const { sites, instance } = useSession();
  const all = useRef(new Map<string, Shown>());
  const table = (): Table => ({
    columns: ["site", "current_visitors", ...COLUMNS.map(({ key }) => key)],
    rows: sites.map(({ name }) => [name, all.current.get(name)?.now, ...COLUMNS.map((column) => column.of(all.current.get(name)?.total))]),
  });
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
            <tbody>{sites.map((site) => <SiteRow key={site.name} site={site} onShown={(shown) => all.current.set(site.name, shown)} />)}</tbody>
          </table>
        </div>
        <footer class="card-foot"><Downloads what="all sites" name={["sites"]} table={table} /></footer>
      </section>
    </>
  );
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
