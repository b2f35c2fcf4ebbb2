// Which range is shown, moved by arrows, and what it is compared with.

import { useState } from "preact/hooks";
import { daysText } from "../show/times.js";
import { COMPARE_NAMES, type CompareKey } from "../state/compare.js";
import { isDay } from "../state/days.js";
import { go } from "../state/page.js";
import { move, RANGE_NAMES, type RangeKey } from "../state/range.js";
import type { Context } from "../views/context.js";
import { Icon } from "./icons.js";
import { Menu } from "./menu.js";

const OFFERED: [RangeKey, string][] = [
  ["today", "D"], ["yesterday", "E"], ["7d", "W"], ["30d", "T"], ["month", "M"], ["year", "Y"], ["all", "A"],
];

export function RangePicker({ context, opened, hasCompare = true }: { context: Context; opened: number; hasCompare?: boolean }) {
  const { state, today, days } = context;
  const { range } = state;
  const isMoved = range.date !== undefined || range.key === "custom" || range.key === "day";
  const step = (by: -1 | 1) => go({ range: move(range, by, today) });
  return (
    <div class="range">
      <button type="button" class="button is-icon" aria-label="The range before" title="The range before (←)" disabled={range.key === "all"} onClick={() => step(-1)}><Icon name="left" /></button>
      <button type="button" class="button is-icon" aria-label="The range after" title="The range after (→)" disabled={range.key === "all" || days.last >= today} onClick={() => step(1)}><Icon name="right" /></button>
      <Menu label={isMoved ? daysText(days) : RANGE_NAMES[range.key]} class="range-menu" isEnd opened={opened}>
        {(close) => (
          <>
            {OFFERED.map(([key, letter]) => (
              <button key={key} type="button" class="item" aria-pressed={range.key === key && !isMoved} onClick={() => { go({ range: { key } }); close(); }}>
                {RANGE_NAMES[key]} <kbd>{letter}</kbd>
              </button>
            ))}
            <Custom first={days.first} last={days.last} onDone={(first, last) => { go({ range: { key: "custom", first, last } }); close(); }} />
          </>
        )}
      </Menu>
      {hasCompare && (
        <label class="select">
          <span class="sr-only">Compare with</span>
          <select value={state.compare} title="Compare with (X)" onChange={(event) => go({ compare: event.currentTarget.value as CompareKey })}>
            {Object.entries(COMPARE_NAMES).map(([key, name]) => <option key={key} value={key}>{name}</option>)}
          </select>
        </label>
      )}
    </div>
  );
}

function Custom({ first, last, onDone }: { first: string; last: string; onDone: (first: string, last: string) => void }) {
  const [from, setFrom] = useState(first);
  const [to, setTo] = useState(last);
  return (
    <form class="custom" onSubmit={(event) => { event.preventDefault(); if (isDay(from) && isDay(to)) onDone(from <= to ? from : to, from <= to ? to : from); }}>
      <label>From <input class="input" type="date" required value={from} onInput={(event) => setFrom(event.currentTarget.value)} /></label>
      <label>To <input class="input" type="date" required value={to} onInput={(event) => setTo(event.currentTarget.value)} /></label>
      <button type="submit" class="button is-main">Show <kbd>C</kbd></button>
    </form>
  );
}
