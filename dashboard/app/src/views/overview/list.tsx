// All rows of one dimension with all their numbers: by pages of a hundred, searched and ordered by the server, watched like
// everything else.

import type { Row } from "../../gen/pistats/query/v1/query_pb.js";
import { TABLES, useReport } from "../../live/use.js";
import { CountryCode } from "../../parts/country.js";
import { Downloads } from "../../parts/downloads.js";
import { follow } from "../../parts/follow.js";
import { Glow } from "../../parts/glow.js";
import { Icon } from "../../parts/icons.js";
import { Search } from "../../parts/search.js";
import { Empty, Failed, Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { METRICS, type MetricInfo } from "../../show/metrics.js";
import { valueName } from "../../show/names.js";
import { shown, whole } from "../../show/numbers.js";
import { rowsTable } from "../../show/tables.js";
import { daysText } from "../../show/times.js";
import { dimension } from "../../state/dimensions.js";
import { withFilter } from "../../state/filter.js";
import { addressOf, go } from "../../state/page.js";
import { breakdown, daysRange } from "../../state/questions.js";
import type { ListChoice } from "../../state/url.js";
import type { Context } from "../context.js";
import { allRows } from "./all.js";

const PAGE = 100;

export function List({ list, context }: { list: ListChoice; context: Context }) {
  const { state, key, days, site } = context;
  const info = dimension(list.by);
  const more = list.search ? [{ by: list.by, operator: "contains" as const, values: [list.search] }] : [];
  const question = breakdown(state, daysRange(days), { by: list.by, limit: PAGE, offset: list.offset, order: list.order, more }, false);
  const { answer, failure, isFresh, question: name } = useReport("breakdown", key, { case: "breakdown", value: question }, TABLES);
  const change = (patch: Partial<ListChoice>, isSmall = true) => go({ list: { ...list, ...patch } }, isSmall);
  const hasValue = answer?.rows.some((row) => (row.metrics?.valueCount ?? 0n) > 0n);
  const metrics = METRICS.filter((metric) => metric.key !== "value" || hasValue);
  const total = Number(answer?.totalRows ?? 0n);
  const leave = { list: undefined };
  return (
    <section class="card list" aria-label={info?.label}>
      <header class="card-head">
        <a class="button is-quiet" href={addressOf(leave)} onClick={(event) => follow(event, () => go(leave))}><Icon name="left" /> Back</a>
        <h2><Term definition={info?.definition ?? ""}>{info?.label}</Term></h2>
        <Search value={list.search} onChange={(search) => change({ search, offset: 0 })} what={info?.label ?? list.by} />
        <Downloads what={info?.label ?? list.by} name={[site.name, list.by, daysText(days)]}
          table={async () => rowsTable(list.by, await allRows(context, { by: list.by, order: list.order, more }), state.compare !== "none")} />
      </header>
      {failure ? <Failed failure={failure} /> : !answer ? <Waiting rows={12} /> : answer.rows.length === 0 ? (
        <Empty title={list.search ? `Nothing contains “${list.search}”` : "Nothing in this range"}>
          {list.search && <button type="button" class="button" onClick={() => change({ search: "", offset: 0 })}>Show all</button>}
        </Empty>
      ) : (
        <div class="wide" tabIndex={0} role="region" aria-label="Rows">
          <table class={`table${isFresh ? "" : " is-stale"}`}>
            <thead>
              <tr>
                <th scope="col">{info?.label}</th>
                {metrics.map((metric) => <Heading key={metric.key} metric={metric} list={list} onOrder={(order) => change({ order, offset: 0 })} />)}
              </tr>
            </thead>
            <tbody>
              {answer.rows.map((row) => (
                <ListLine key={row.value} row={row} by={list.by} metrics={metrics} question={name}
                  onPick={() => go({ filters: withFilter(state.filters, { by: list.by, operator: "is", values: [row.value] }), list: undefined })} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <footer class="card-foot pages">
        <button type="button" class="button" disabled={list.offset === 0} onClick={() => change({ offset: Math.max(0, list.offset - PAGE) }, false)}><Icon name="left" /> Before</button>
        <span role="status">{total > 0 ? `${whole(Math.min(list.offset + 1, total))} – ${whole(Math.min(list.offset + PAGE, total))} of ${whole(total)}` : "No rows"}</span>
        <button type="button" class="button" disabled={list.offset + PAGE >= total} onClick={() => change({ offset: list.offset + PAGE }, false)}>After <Icon name="right" /></button>
      </footer>
    </section>
  );
}

/** A column's name with its definition; where the server can order by it, a button. */
function Heading({ metric, list, onOrder }: { metric: MetricInfo; list: ListChoice; onOrder: (order: ListChoice["order"]) => void }) {
  const isChosen = list.order === metric.key;
  const id = `heading-${metric.key}`;
  return (
    <th scope="col" class="is-number" aria-sort={isChosen ? "descending" : undefined}>
      {metric.order === undefined ? <Term definition={metric.definition}>{metric.label}</Term> : (
        <span class="term-of-button">
          <button type="button" class={`sort${isChosen ? " is-chosen" : ""}`} aria-describedby={id} onClick={() => onOrder(metric.key as ListChoice["order"])}>{metric.label}</button>
          <span role="tooltip" class="tip" id={id}>{metric.definition}</span>
        </span>
      )}
    </th>
  );
}

function ListLine({ row, by, metrics, question, onPick }: { row: Row; by: string; metrics: MetricInfo[]; question: string; onPick: () => void }) {
  return (
    <tr>
      <th scope="row">
        <button type="button" class="cell-main" title={row.value} onClick={onPick}>
          {by === "country" && <CountryCode country={row.value} />}
          <bdi class={row.value ? "value" : "value is-none"}>{valueName(by, row.value)}</bdi>
        </button>
      </th>
      {metrics.map((metric) => {
        const value = metric.of(row.metrics);
        return <td key={metric.key} class="is-number"><Glow value={shown(metric, value, metric.kind !== "count")} of={question}>{shown(metric, value, metric.kind !== "count")}</Glow></td>;
      })}
    </tr>
  );
}
