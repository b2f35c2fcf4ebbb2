// What a tree comes to: how many people, some of them, one sentence, and the SQL; counted anew when the tree changes and when the
// site moves.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import type { PreviewResponse } from "../../gen/pistats/segment/v1/segment_pb.js";
import { Reader } from "../../gen/pistats/segment/v1/segment_pb.js";
import { useReport } from "../../live/use.js";
import { follow } from "../../parts/follow.js";
import { Glow } from "../../parts/glow.js";
import { Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { toNode, writeDraft, type Draft } from "../../segments/draft.js";
import { faultsOf, type Fault } from "../../segments/faults.js";
import { latency, percent, whole } from "../../show/numbers.js";
import { addressOf, go } from "../../state/page.js";
import { realtime } from "../../state/questions.js";
import type { Context } from "../context.js";

/** Typing pauses this long before it is counted. */
const PAUSE_MS = 150;
const SAMPLE = 12;

export interface Previewed {
  /** The newest answer; that of the tree before until the one of now is there. */
  answer?: PreviewResponse;
  isFresh: boolean;
  /** Which tree it is about. */
  tree: string;
  faults: Fault[];
}

export function usePreview(context: Context, draft: Draft): Previewed {
  const { key } = context;
  const tree = writeDraft(draft);
  const [shown, setShown] = useState<Omit<Previewed, "isFresh">>({ tree: "", faults: [] });
  // A site where something happens has another as_of: the count is live, at most once in two seconds.
  const { answer: live } = useReport("realtime", key, { case: "realtime", value: realtime("exclude", 10) }, 1 / 2);
  const moved = live?.asOf?.nextOffsets.join() ?? "";
  useEffect(() => {
    if (!key) return;
    const ended = new AbortController();
    const timer = setTimeout(() => {
      calls(key).segment.preview({ what: { case: "root", value: toNode(draft) }, sample: SAMPLE }, { signal: ended.signal })
        .then((answer) => setShown({ answer, tree, faults: [] }))
        .catch((error: unknown) => ended.signal.aborted || setShown((before) => ({ ...before, tree, faults: faultsOf(error) })));
    }, shown.tree === tree ? 0 : PAUSE_MS);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  }, [key, tree, moved]);
  return { ...shown, isFresh: shown.tree === tree };
}

const READERS: Record<Reader, string> = {
  [Reader.UNSPECIFIED]: "", [Reader.BITMAPS]: "bitmaps of whole days", [Reader.MIXED]: "bitmaps, and SQL for some clauses", [Reader.SQL]: "SQL over events and visitors",
};

export function Preview({ preview: { answer, isFresh, tree, faults } }: { preview: Previewed }) {
  const isWrong = faults.length > 0;
  const general = faults.filter(({ field }) => field === "");
  return (
    <section class="card" aria-label="What it comes to" aria-busy={!isFresh}>
      {general.map(({ says }) => <p key={says} class="problem" role="alert">{says}</p>)}
      {isWrong && general.length === 0 && <p class="problem">The marked rows are to be mended before this can be counted.</p>}
      {!answer ? !isWrong && <Waiting rows={6} /> : (
        <div class={isFresh && !isWrong ? "" : "is-stale"}>
          <p class="size" role="status">
            <Term definition="Visitors in the segment now, exactly. Bots are not seen by segments.">
              <b class="size-number"><Glow value={answer.count} of={tree}>{whole(answer.count)}</Glow></b>
            </Term>{" "}
            of {whole(answer.visitors)} visitors{answer.visitors > 0n && ` (${percent(Number(answer.count) / Number(answer.visitors), 1)})`}
          </p>
          <p class="sentence">{answer.sentence}</p>
          <h3>Some of them</h3>
          {answer.sample.length === 0 ? <p class="hint">Nobody is in it.</p> : <People visitors={answer.sample} />}
          <p class="hint">Counted in {latency(Number(answer.tookUs))} from {READERS[answer.reader]}.</p>
          <details>
            <summary>Its SQL</summary>
            <pre class="sql" tabIndex={0} aria-label="SQL"><code>{answer.sql}</code></pre>
            <p class="hint">Bound values, in their order:</p>
            <ol class="sql-values">{answer.sqlValues.map((value, at) => <li key={at}><code>{value}</code></li>)}</ol>
          </details>
        </div>
      )}
    </section>
  );
}

/** Visitors by their keys, each a link to its way through the site. */
export function People({ visitors }: { visitors: readonly string[] }) {
  return (
    <ul class="people">
      {visitors.map((visitor) => {
        const journey = { view: "journeys" as const, visitor };
        return <li key={visitor}><a href={addressOf(journey)} onClick={(event) => follow(event, () => go(journey))}><code>{visitor.slice(0, 8)}</code></a></li>;
      })}
    </ul>
  );
}
