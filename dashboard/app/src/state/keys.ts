// The keyboard map: one letter, one thing. Shown by `?`, and the only place where keys are given a meaning.

import { nextCompare } from "./compare.js";
import type { Day } from "./days.js";
import { move, type RangeKey } from "./range.js";
import { USUAL, VIEWS, type State, type View } from "./url.js";

export type Command = { go: Partial<State> } | { act: "help" | "filter" | "custom" | "theme" };

export interface Shortcut {
  key: string;
  says: string;
  command: (state: State, today: Day) => Command;
}

const range = (key: string, says: string, chosen: RangeKey): Shortcut => ({ key, says, command: () => ({ go: { range: { key: chosen } } }) });

export const VIEW_NAMES: Record<View, string> = {
  overview: "Overview", live: "Live", retention: "Retention", funnels: "Funnels", journeys: "Journeys", segments: "Segments", campaigns: "Campaigns", sites: "All sites", setup: "Set-up", pipeline: "Pipeline",
};

/** The first page of a view. */
export function firstOf(view: View): Partial<State> {
  return { view, list: undefined, segment: USUAL.segment, campaign: USUAL.campaign };
}

export const SHORTCUTS: Shortcut[] = [
  range("d", "Today", "today"),
  range("e", "Yesterday", "yesterday"),
  range("w", "Last 7 days", "7d"),
  range("t", "Last 30 days", "30d"),
  range("m", "This month", "month"),
  range("y", "This year", "year"),
  range("a", "All time", "all"),
  { key: "c", says: "Custom range", command: () => ({ act: "custom" }) },
  { key: "ArrowLeft", says: "The range before", command: ({ range }, today) => ({ go: { range: move(range, -1, today) } }) },
  { key: "ArrowRight", says: "The range after", command: ({ range }, today) => ({ go: { range: move(range, 1, today) } }) },
  { key: "x", says: "Compare: previous period, last year, matching weekdays, not", command: ({ compare }) => ({ go: { compare: nextCompare(compare) } }) },
  { key: "f", says: "Filter", command: () => ({ act: "filter" }) },
  { key: "Escape", says: "Back from a list; take the filters away", command: ({ list }) => ({ go: list ? { list: undefined } : { filters: [] } }) },
  ...VIEWS.map((view, at): Shortcut => ({ key: String((at + 1) % 10), says: VIEW_NAMES[view], command: () => ({ go: firstOf(view) }) })),
  { key: "l", says: "Dark, light, as the system", command: () => ({ act: "theme" }) },
  { key: "?", says: "This help", command: () => ({ act: "help" }) },
];

/** What a press of a key means; undefined where it belongs to what has the focus. */
export function commandOf(event: Pick<KeyboardEvent, "key" | "altKey" | "ctrlKey" | "metaKey" | "target">, state: State, today: Day): Command | undefined {
  if (event.altKey || event.ctrlKey || event.metaKey) return undefined;
  const place = event.target as { tagName?: string; isContentEditable?: boolean } | null;
  if (place?.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(place?.tagName ?? "")) return undefined;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return SHORTCUTS.find((shortcut) => shortcut.key === key)?.command(state, today);
}
