// One list of the overview: the top rows of a dimension, moving by themselves.

import type { BreakdownResponse } from "../../gen/pistats/query/v1/query_pb.js";
import { TABLES, useReport, type Report } from "../../live/use.js";
import { Downloads } from "../../parts/downloads.js";
import { follow } from "../../parts/follow.js";
import { Glow } from "../../parts/glow.js";
import { Growth } from "../../parts/growth.js";
import { Icon } from "../../parts/icons.js";
import { ListRow } from "../../parts/row.js";
import { Empty, Failed, Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { metric } from "../../show/metrics.js";
import { pageLink } from "../../show/names.js";
import { short, whole } from "../../show/numbers.js";
import { rowsTable } from "../../show/tables.js";
import { daysText } from "../../show/times.js";
import { dimension, propertyOf } from "../../state/dimensions.js";
import { withFilter } from "../../state/filter.js";
import { addressOf, go } from "../../state/page.js";
import { breakdown, daysRange } from "../../state/questions.js";
import type { Context } from "../context.js";
import { allRows } from "./all.js";
import { orderOf, type CardInfo } from "./cards.js";
import { useComparedRows } from "./compared.js";
import { useProperties } from "./properties.js";

const ROWS = 9;

export function Card({ card, context }: { card: CardInfo; context: Context }) {
  const { state, key, days, site } = context;
  const properties = useProperties(card.hasProperties ? context : undefined);
  const slugs = [...card.dimensions, ...properties.map((property) => `property:${property}`)];
  const first = card.dimensions[0] ?? "page";
  const chosen = state.cards[card.id];
  const by = chosen && (slugs.includes(chosen) || propertyOf(chosen)) ? chosen : first;
  if (!slugs.includes(by)) slugs.push(by);
  const order = orderOf(by);
  const report = useReport("breakdown", key, { case: "breakdown", value: breakdown(state, daysRange(days), { by, limit: ROWS, order }) }, TABLES);
  const list = { by, offset: 0, search: "", order };
  const info = dimension(by);
  const counted = metric(order);
  return (
    <section class="card" aria-label={card.title} data-card={card.id}>
      <header class="card-head">
        <div class="tabs" role="group" aria-label={`${card.title}: by`}>
          {slugs.map((slug) => (
            <button key={slug} type="button" class="tab" aria-pressed={slug === by} title={dimension(slug)?.definition}
              onClick={() => go({ cards: { ...state.cards, [card.id]: slug === first ? "" : slug } }, true)}>
              {dimension(slug)?.label.replace(/^Property /, "")}
            </button>
          ))}
        </div>
        <Term definition={counted.definition}>{counted.label}</Term>
      </header>
      <Rows by={by} report={report} context={context} />
      <footer class="card-foot">
        <a class="button is-quiet" href={addressOf({ list })} onClick={(event) => follow(event, () => go({ list }))}>
          <Icon name="list" /> {report.answer ? `All ${whole(report.answer.totalRows)}` : "All"}
        </a>
        <Downloads what={info?.label ?? by} name={[site.name, by, daysText(days)]}
          table={async () => rowsTable(by, await allRows(context, { by, order }), state.compare !== "none")} />
      </footer>
    </section>
  );
}

function Rows({ by, report, context }: { by: string; report: Report<BreakdownResponse>; context: Context }) {
  const { state, site } = context;
  const { answer, failure } = report;
  const before = useComparedRows(context, by, answer);
  if (failure) return <Failed failure={failure} />;
  if (!answer) return <Waiting rows={ROWS} />;
  if (answer.rows.length === 0) return <Empty title={`No ${dimension(by)?.label.toLowerCase() ?? "rows"} in this range`} />;
  const counted = metric(orderOf(by));
  const most = counted.of(answer.rows[0]?.metrics) ?? 0;
  const filter = (operator: "is" | "is_not", value: string) => go({ filters: withFilter(state.filters, { by, operator, values: [value] }) });
  return (
    <ol class={`rows${report.isFresh ? "" : " is-stale"}`}>
      {answer.rows.map((row) => {
        const count = counted.of(row.metrics) ?? 0;
        return (
          <ListRow key={row.value} by={by} value={row.value} part={most ? count / most : 0} link={pageLink(by, row.value, site.name)}
            onPick={() => filter("is", row.value)} onExclude={() => filter("is_not", row.value)}>
            <Growth metric={counted} now={count} before={before(row)} />
            <Glow value={count} of={report.question} title={`${counted.label}: ${whole(count)}`}>{short(count)}</Glow>
          </ListRow>
        );
      })}
    </ol>
  );
}
