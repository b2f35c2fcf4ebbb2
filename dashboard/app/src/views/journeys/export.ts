// The events of the range, for a download: all that a browser can sensibly hold.

import { calls } from "../../calls/clients.js";
import type { Table } from "../../show/csv.js";
import { instant } from "../../show/tables.js";
import { asFilter } from "../../state/filter.js";
import { BOTS, daysRange } from "../../state/questions.js";
import type { Context } from "../context.js";

/** More is what `pistats query export` is for: it streams. */
export const MOST_EVENTS = 200_000;

const COLUMNS = [
  "time", "received", "visitor", "user_id", "name", "url", "page", "referrer", "source", "channel", "title", "topics", "language", "country", "screen", "device", "browser", "os",
  "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "bot", "value", "properties",
];

export async function eventsTable({ state, key, days }: Context): Promise<Table> {
  const rows: Table["rows"] = [];
  const asked = { range: daysRange(days), filters: state.filters.map(asFilter), bots: BOTS[state.bots], limit: BigInt(MOST_EVENTS) };
  for await (const { events } of calls(key).query.export(asked)) {
    for (const event of events) {
      rows.push([
        instant(event.timeUs), instant(event.receivedUs), event.visitor, event.userId, event.name, event.url, event.page, event.referrer, event.source, event.channel, event.title, event.topics.join("|"),
        event.language, event.country, event.screen, event.device, event.browser, event.os, event.utmSource, event.utmMedium, event.utmCampaign, event.utmTerm, event.utmContent, event.bot,
        event.valueMicros === undefined ? undefined : Number(event.valueMicros) / 1e6, JSON.stringify(event.properties),
      ]);
    }
  }
  return { columns: COLUMNS, rows };
}
