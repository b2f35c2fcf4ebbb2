// The size of a segment as it moves: a number, a line since the page was opened, and who came and went.

import { Cause } from "../../gen/pistats/segment/v1/segment_pb.js";
import { Chart, type Point } from "../../parts/chart.js";
import { Downloads } from "../../parts/downloads.js";
import { Glow } from "../../parts/glow.js";
import { Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import type { Move, Watched } from "../../segments/watch.js";
import { compact, whole } from "../../show/numbers.js";
import { clockText, minuteText } from "../../show/times.js";
import { People } from "./preview.js";

const SIZE = "Visitors in the segment at this moment, exactly. It moves with events, and at midnight of the site, when days pass.";
const CAUSES: Record<Cause, string> = { [Cause.UNSPECIFIED]: "", [Cause.EVENTS]: "by what they did", [Cause.TIME]: "because a day began", [Cause.EDIT]: "because the segment was changed" };
const SHOWN = 8;

export function Size({ watched, zone, name }: { watched: Watched; zone: string; name: string[] }) {
  const { size, entered, left, moves, problem } = watched;
  const turns = moves.filter(({ counts: [came, went] }) => came + went > 0).slice(-SHOWN).reverse();
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
          <Chart points={pointsOf(moves, zone)} show={(value) => (value === undefined ? "–" : whole(value))} tick={compact} name="Size" height={140} />
          <footer class="card-foot">
            <span class="hint">Since this page was opened: sizes of before are not kept.</span>
            <Downloads what="sizes" name={[...name, "size"]} table={() => ({
              columns: ["time", "size", "entered", "left", "cause"], rows: moves.map(({ atMs, size: count, counts, cause }) => [new Date(atMs).toISOString(), count, ...counts, CAUSES[cause]]),
            })} />
          </footer>
          {turns.length > 0 && <ol class="turns">{turns.map((move, at) => <Turn key={`${move.atMs} ${at}`} move={move} zone={zone} />)}</ol>}
        </>
      )}
    </section>
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

function pointsOf(moves: Move[], zone: string): Point[] {
  return moves.map(({ atMs, size }) => ({ label: clockText(atMs, zone), tick: minuteText(atMs, zone), value: size, isUnfinished: false }));
}
