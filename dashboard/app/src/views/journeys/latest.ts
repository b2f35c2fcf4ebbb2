// The latest visitors of a range, out of its events.
//
// The contract exports events from the oldest on, so the stretch to ask for is found from the steps of time first: from the end
// of the range back, until it holds enough events.

import type { ExportedEvent, Step } from "../../gen/pistats/query/v1/query_pb.js";

export interface Visit {
  visitor: string;
  userId: string;
  country: string;
  device: string;
  browser: string;
  source: string;
  first: ExportedEvent;
  last: ExportedEvent;
  events: number;
  pages: string[];
}

/** First instant of the stretch that ends with the range and holds at least so many events; undefined without any. */
export function stretch(steps: Step[], enough: number): { fromUs: bigint; toUs: bigint; events: number } | undefined {
  let events = 0;
  for (let at = steps.length - 1; at >= 0; at--) {
    events += Number(steps[at]?.metrics?.events ?? 0n);
    const [from, to] = [steps[at]?.fromUs, steps.at(-1)?.toUs];
    if (from !== undefined && to !== undefined && (events >= enough || (at === 0 && events > 0))) return { fromUs: from, toUs: to, events };
  }
  return undefined;
}

/** Visitors, the one whose last event is newest first. Events come in their order. */
export function visits(events: ExportedEvent[], limit: number): Visit[] {
  const found = new Map<string, Visit>();
  for (const event of events) {
    const known = found.get(event.visitor);
    if (!known) {
      const { visitor, userId, country, device, browser, source } = event;
      found.set(visitor, { visitor, userId, country, device, browser, source, first: event, last: event, events: 1, pages: [event.page] });
      continue;
    }
    known.last = event;
    known.userId = event.userId || known.userId;
    known.events += 1;
    if (event.page && event.page !== known.pages.at(-1)) known.pages.push(event.page);
  }
  return [...found.values()].sort((a, b) => (a.last.timeUs < b.last.timeUs ? 1 : a.last.timeUs > b.last.timeUs ? -1 : 0)).slice(0, limit);
}
