// The size of a segment: now, as people come and go, and at the end of each day before.

import { useState } from "preact/hooks";
import { Cause } from "../../gen/pistats/segment/v1/segment_pb.js";
import { Chart, type Point } from "../../parts/chart.js";
import { Choice } from "../../parts/choice.js";
import { Downloads } from "../../parts/downloads.js";
import { Glow } from "../../parts/glow.js";
import { Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { byDay, useSizes, type Sized } from "../../segments/sizes.js";
import type { Move, Watched } from "../../segments/watch.js";
import type { Table } from "../../show/csv.js";
import { compact, whole } from "../../show/numbers.js";
import { clockText, dayText, minuteText } from "../../show/times.js";
import type { Day } from "../../state/days.js";
import type { Context } from "../context.js";
import { People } from "./preview.js";

const SIZE = "Visitors in the segment at this moment, exactly. It moves with events, and at midnight of the site, when days pass.";
const CAUSES: Record<Cause, string> = { [Cause.UNSPECIFIED]: "", [Cause.EVENTS]: "by what they did", [Cause.TIME]: "because a day began", [Cause.EDIT]: "because the segment was changed" };
const SHOWN = 8;
const PERIODS = { "30": "30 days", "90": "90 days", "366": "A year", now: "Since you came" };
const BY_DAY = "Visitors in the segment at the end of each day, as it is now: one that was changed today has the past that it would have had. Who comes late counts on the day they came.";

export function Size({ id, watched, context: { site, key, today }, name }: { id: string; watched: Watched; context: Context; name: string[] }) {
  const { size, entered, left, moves, problem } = watched;
  const turns = moves.filter(({ counts: [came, went] }) => came + went > 0).slice(-SHOWN).reverse();
  const [period, setPeriod] = useState<keyof typeof PERIODS>("30");
  return (
    <section class="card" aria-label="Size">
      {problem && <p class="problem" role="alert">{problem}</p>}
      {size === undefined ? !problem && <Waiting rows={4} /> : (
        <>
          <div class="totals">
            <div class="total is-plain" data-metric="Size"><span class="total-name"><Term definition={SIZE}>In it now</Term></span><span class="total-number"><Glow value={size} of="size">{whole(size)}</Glow></span></div>
            <div class="total is-plain" data-metric="Entered"><span class="total-name"><Term definition="Since this page was opened.">Entered</Term></span><span class="total-number"><Glow value={entered} of="entered">{whole(entered)}</Glow></span></div>
            <div class="total is-plain" data-metric="Left"><span class="total-name"><Term definition="Since this page was opened.">Left</Term></span><span class="total-number"><Glow value={left} of="left">{whole(left)}</Glow></span></div>
          </div>
          <Choice name="Size over" value={period} options={PERIODS} onChange={setPeriod} definition={BY_DAY} />
          {period === "now" ? <Line points={pointsOf(moves, site.zone)} hint="Every change since this page was opened." name={[...name, "size"]} table={() => tableOfMoves(moves)} />
            : <ByDay id={id} watched={watched} siteKey={key} today={today} days={Number(period)} name={name} />}
          {turns.length > 0 && <ol class="turns">{turns.map((move, at) => <Turn key={`${move.atMs} ${at}`} move={move} zone={site.zone} />)}</ol>}
        </>
      )}
    </section>
  );
}

function ByDay({ id, watched, siteKey, today, days, name }: { id: string; watched: Watched; siteKey: string | undefined; today: Day; days: number; name: string[] }) {
  const sizes = useSizes(siteKey, id, watched.version, today, days);
  const all = byDay(sizes, today, days, watched.size);
  return (
    <>
      {sizes.problem && <p class="problem" role="alert">{sizes.problem}</p>}
      <Line points={all.map((sized) => pointOf(sized, today))} hint={sizes.isWhole || sizes.problem ? "At the end of each day." : "Counting, a day after the other…"} name={[...name, "size by day"]} table={() => tableOfDays(all)} />
    </>
  );
}

function Line({ points, hint, name, table }: { points: Point[]; hint: string; name: string[]; table: () => Table }) {
  return (
    <>
      <Chart points={points} show={(value) => (value === undefined ? "–" : whole(value))} tick={compact} name="Size" height={140} />
      <footer class="card-foot"><span class="hint">{hint}</span><Downloads what="sizes" name={name} table={table} /></footer>
    </>
  );
}

function Turn({ move: { atMs, entered, left, counts: [came, went], cause }, zone }: { move: Move; zone: string }) {
  return (
    <li>
      <time class="hint" dateTime={new Date(atMs).toISOString()}>{clockText(atMs, zone)}</time>
      {came > 0 && <span class="turn"><b class="good">+{whole(came)}</b> <People visitors={entered.slice(0, 5)} /></span>}
      {went > 0 && <span class="turn"><b class="problem">−{whole(went)}</b> <People visitors={left.slice(0, 5)} /></span>}
      <span class="hint">{CAUSES[cause]}</span>
    </li>
  );
}

function pointOf({ day, size }: Sized, today: Day): Point {
  return { label: dayText(day), tick: dayText(day, { day: "numeric", month: "short" }), value: size, isUnfinished: day === today };
}

function tableOfDays(sizes: Sized[]): Table {
  return { columns: ["day", "size"], rows: sizes.flatMap(({ day, size }) => (size === undefined ? [] : [[day, size]])) };
}

function tableOfMoves(moves: Move[]): Table {
  return {
    columns: ["time", "size", "entered", "left", "cause"], rows: moves.map(({ atMs, size, counts, cause }) => [new Date(atMs).toISOString(), size, ...counts, CAUSES[cause]]),
  };
}

function pointsOf(moves: Move[], zone: string): Point[] {
  return moves.map(({ atMs, size }) => ({ label: clockText(atMs, zone), tick: minuteText(atMs, zone), value: size, isUnfinished: false }));
}
