// How far a campaign is, and what came of it. Every planned message is in exactly one of the numbers.

import type { Campaign, Reason, Results } from "../../gen/pistats/push/v1/push_pb.js";
import { Downloads } from "../../parts/downloads.js";
import { Glow } from "../../parts/glow.js";
import { Term } from "../../parts/term.js";
import { percent, whole } from "../../show/numbers.js";
import { instantText } from "../../show/times.js";
import type { Context } from "../context.js";
import { reasonText, STATES } from "./words.js";

const NUMBERS: [name: string, of: (results: Results) => bigint, definition: string][] = [
  ["Planned", ({ planned }) => planned, "Messages, one a visitor."],
  ["Waiting", ({ waiting }) => waiting, "Not begun: due later, or next."],
  ["On their way", ({ sending }) => sending, "Handed to the push service, which has not answered yet; at most 64."],
  ["Accepted", ({ accepted }) => accepted, "The push service took them over. Whether a device showed one, nobody is told."],
  ["Failed", ({ failed }) => failed, "The push service did not take them; by reason below."],
  ["Uncertain", ({ uncertain }) => uncertain, "The connection or the server ended before the answer: they may have been delivered, and are never sent again."],
  ["Not sent", ({ notSent }) => notSent, "Nothing was tried; by reason below."],
  ["Clicked", ({ clicked }) => clicked, "Visitors who clicked the message, of those whom one was sent to."],
  ["Unsubscribed", ({ unsubscribed }) => unsubscribed, "Visitors who took their subscription back, and whom this campaign was the last one to reach."],
];

export function Progress({ results, campaign, context: { site } }: { results: Results; campaign: Campaign; context: Context }) {
  const { planned, accepted, failed, uncertain, notSent, clicked, nextUs } = results;
  const done = accepted + failed + uncertain + notSent;
  return (
    <section class="card" aria-label="Results">
      <header class="card-head"><h2>Results</h2>
        <Downloads what="results" name={[site.name, campaign.content?.name ?? "campaign", "results"]} table={() => ({
          columns: ["what", "count"],
          rows: [...NUMBERS.map(([name, of]): [string, bigint] => [name, of(results)]), ...results.failures.map((one): [string, bigint] => [`failed: ${one.name}`, one.count]), ...results.skips.map((one): [string, bigint] => [`not sent: ${one.name}`, one.count])],
        })} />
      </header>
      <progress value={planned > 0n ? Number(done) / Number(planned) : 0} max={1} aria-label="Done">{planned > 0n ? percent(Number(done) / Number(planned)) : ""}</progress>
      <p class="hint" role="status">
        {STATES[campaign.state]}: {whole(done)} of {whole(planned)} done.{nextUs > 0n && ` The next is due on ${instantText(Number(nextUs / 1000n), site.zone)}.`}
        {accepted > 0n && ` ${percent(Number(clicked) / Number(accepted), 1)} of those accepted were clicked.`}
      </p>
      <div class="totals">
        {NUMBERS.map(([name, of, definition]) => (
          <div key={name} class="total is-plain" data-metric={name}>
            <span class="total-name"><Term definition={definition}>{name}</Term></span>
            <span class="total-number"><Glow value={of(results)} of={name}>{whole(of(results))}</Glow></span>
          </div>
        ))}
      </div>
      <Reasons title="Failed" reasons={results.failures} />
      <Reasons title="Not sent" reasons={results.skips} />
    </section>
  );
}

function Reasons({ title, reasons }: { title: string; reasons: Reason[] }) {
  if (reasons.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <dl class="facts">{reasons.map(({ name, count }) => <div key={name}><dt>{reasonText(name)}</dt><dd>{whole(count)}</dd></div>)}</dl>
    </>
  );
}
