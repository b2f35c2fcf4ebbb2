// Whom a campaign would reach if it started now, and when; counted anew with each change.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { toContent, type CampaignDraft } from "../../campaigns/draft.js";
import { CampaignContentSchema, type PreviewCampaignResponse } from "../../gen/pistats/push/v1/push_pb.js";
import { toJsonString } from "@bufbuild/protobuf";
import { Glow } from "../../parts/glow.js";
import { Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { faultsOf, type Fault } from "../../segments/faults.js";
import { whole } from "../../show/numbers.js";
import { instantText } from "../../show/times.js";
import type { Context } from "../context.js";
import { Look } from "./message.js";

const PAUSE_MS = 250;
const MOST_PAYLOAD_BYTES = 3_000;

export interface Reached {
  answer?: PreviewCampaignResponse;
  isFresh: boolean;
  faults: Fault[];
}

export function useReach({ key, site }: Context, draft: CampaignDraft): Reached {
  const content = toContent(draft, site.zone);
  const text = toJsonString(CampaignContentSchema, content);
  const [shown, setShown] = useState<{ answer?: PreviewCampaignResponse; text: string; faults: Fault[] }>({ text: "", faults: [] });
  useEffect(() => {
    if (!key) return;
    const ended = new AbortController();
    const timer = setTimeout(() => {
      calls(key).push.previewCampaign({ what: { case: "content", value: content } }, { signal: ended.signal })
        .then((answer) => setShown({ answer, text, faults: [] }))
        .catch((error: unknown) => ended.signal.aborted || setShown((before) => ({ ...before, text, faults: faultsOf(error) })));
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  }, [key, text]);
  // What nobody has written yet is no fault: a name and a title are asked for when it is kept.
  const isBlank = (field: string) => (field === "content.name" && !draft.name) || (field === "content.message.title" && !draft.title);
  return { ...(shown.answer ? { answer: shown.answer } : {}), isFresh: shown.text === text, faults: shown.faults.filter(({ field }) => !isBlank(field)) };
}

export function Reach({ reach: { answer, isFresh, faults }, draft, context: { site } }: { reach: Reached; draft: CampaignDraft; context: Context }) {
  const general = faults.filter(({ field }) => !field.startsWith("content."));
  const time = (us: bigint) => instantText(Number(us / 1000n), site.zone);
  return (
    <section class="card" aria-label="Preview" aria-busy={!isFresh}>
      <h2>Preview</h2>
      <Look draft={draft} site={site.name} />
      {general.map(({ says }) => <p key={says} class="problem" role="alert">{says}</p>)}
      {!answer ? (draft.name && draft.title && faults.length === 0 ? <Waiting rows={3} /> : <p class="hint">With a name and a title it is counted whom it would reach.</p>) : (
        <div class={isFresh ? "" : "is-stale"}>
          <p class="size" role="status">
            <Term definition="Visitors who would get it if it started now: those of the segment with a subscription.">
              <b class="size-number"><Glow value={answer.reachable} of={draft.segmentId}>{whole(answer.reachable)}</Glow></b>
            </Term>{" "}
            {draft.when === "enter" ? "are in it now and can be reached; nobody gets it at the start." : "would get it"}, of {whole(answer.members)} {draft.segmentId ? "in the segment" : "visitors"}.
          </p>
          {answer.missed > 0n && <p class="problem">For {whole(answer.missed)} of them the moment has passed already: they would get nothing.</p>}
          {answer.firstUs > 0n && <p class="hint">{answer.firstUs === answer.lastUs ? `On ${time(answer.firstUs)}.` : `From ${time(answer.firstUs)} to ${time(answer.lastUs)}.`}</p>}
          {answer.byHour.some((count) => count > 0n) && <Hours byHour={answer.byHour} />}
          <p class="hint">{whole(answer.payloadBytes)} of {whole(MOST_PAYLOAD_BYTES)} bytes.</p>
        </div>
      )}
    </section>
  );
}

/** How many get it at which hour of their own clocks. */
function Hours({ byHour }: { byHour: bigint[] }) {
  const most = Math.max(1, ...byHour.map(Number));
  const told = byHour.map((count, hour) => (count > 0n ? `${hour}:00: ${whole(count)}` : "")).filter(Boolean).join(", ");
  return (
    <figure class="hours">
      <div class="hours-bars" role="img" aria-label={`By the hour of their own clocks: ${told}`}>
        {byHour.map((count, hour) => <span key={hour} class="hours-bar" title={`${hour}:00: ${whole(count)}`} style={{ blockSize: `${(Number(count) / most) * 100}%` }} />)}
      </div>
      <figcaption class="hint">By the hour of their own clocks, 0 to 23.</figcaption>
    </figure>
  );
}
