// The message to oneself: to this browser, or to a visitor whom one knows to be oneself. No campaign counts it.

import { useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import { managing } from "../../calls/session.js";
import { toMessage, type CampaignDraft } from "../../campaigns/draft.js";
import { subscribeHere } from "../../campaigns/here.js";
import type { TestSendRequest } from "../../gen/pistats/push/v1/push_pb.js";
import { faultsOf } from "../../segments/faults.js";
import type { Context } from "../context.js";

export function TestSend({ draft, context: { site, key } }: { draft: CampaignDraft; context: Context }) {
  const [visitor, setVisitor] = useState("");
  const [said, say] = useState<{ text: string; isGood: boolean }>();
  const [isBusy, setBusy] = useState(false);
  const send = async (find: () => Promise<TestSendRequest["to"]>) => {
    setBusy(true);
    say(undefined);
    try {
      const to = await find();
      const { outcome, explanation } = await managing(site.name, (manage) => calls(manage).push.testSend({ message: toMessage(draft), to }));
      say({ text: explanation || outcome, isGood: outcome === "accepted" });
    } catch (error) {
      const named = faultsOf(error).filter(({ field }) => field !== "");
      say({ text: named.map(({ says }) => says).join(" ") || sentence(error), isGood: false });
    }
    setBusy(false);
  };
  return (
    <section class="card" aria-label="Test">
      <h2>Try it on yourself</h2>
      <p class="actions">
        <button type="button" class="button" disabled={isBusy || !draft.title} onClick={() => void send(async () => ({ case: "subscription", value: await subscribeHere(key ?? "") }))}>Send it to this browser</button>
      </p>
      <form class="find is-wide" onSubmit={(event) => { event.preventDefault(); void send(async () => ({ case: "visitorId", value: visitor.trim() })); }}>
        <input class="input" required aria-label="Visitor id" placeholder="or to a visitor id of the site" autocomplete="off" value={visitor} onInput={(event) => setVisitor(event.currentTarget.value)} />
        <button type="submit" class="button" disabled={isBusy || !draft.title}>Send</button>
      </form>
      <p class="hint">Your own id there is <code>localStorage["pistats:visitor"]</code>, typed into the console of a page of the site. A test is counted by no campaign.</p>
      <p role="status" class={said?.isGood ? "good" : "problem"}>{said?.text}</p>
    </section>
  );
}
