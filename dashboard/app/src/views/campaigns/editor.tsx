// The editor of a campaign: what is said, to whom, when, within which bounds; beside it the message as it will look and whom it would
// reach. The server judges it; each fault stands at its field.

import { useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { managing } from "../../calls/session.js";
import { EMPTY, fromContent, toContent, type CampaignDraft } from "../../campaigns/draft.js";
import { renew } from "../../campaigns/kept.js";
import type { Campaign } from "../../gen/pistats/push/v1/push_pb.js";
import { follow } from "../../parts/follow.js";
import { Icon } from "../../parts/icons.js";
import { faultsOf, type Fault } from "../../segments/faults.js";
import { addressOf, go } from "../../state/page.js";
import { segmentNames } from "../../state/segment_names.js";
import { useStore } from "../../state/store.js";
import type { Context } from "../context.js";
import { Bounds } from "./bounds.js";
import { Field } from "./field.js";
import { openedCampaign } from "./list.js";
import { MessageFields } from "./message.js";
import { Reach, useReach } from "./reach.js";
import { ScheduleFields } from "./schedule.js";
import { TestSend } from "./test_send.js";

export interface Editing {
  draft: CampaignDraft;
  change: (patch: Partial<CampaignDraft>) => void;
  /** By field of the contract. */
  faults: Fault[];
}

export function Editor({ context, campaign }: { context: Context; campaign: Campaign | undefined }) {
  const { site, key, state } = context;
  const names = useStore(segmentNames);
  const [draft, setDraft] = useState<CampaignDraft>(() => (campaign?.content ? fromContent(campaign.content, site.zone) : { ...EMPTY, segmentId: state.campaign.segment, expires: "" }));
  const [refused, setRefused] = useState<Fault[]>([]);
  const reach = useReach(context, draft);
  const faults = [...refused, ...reach.faults.filter(({ field }) => !refused.some((fault) => fault.field === field))];
  const change = (patch: Partial<CampaignDraft>) => {
    setDraft({ ...draft, ...patch });
    setRefused([]);
  };
  const keep = async (event: Event) => {
    event.preventDefault();
    try {
      const content = toContent(draft, site.zone);
      const kept = await managing(site.name, async (manage) => {
        const { push } = calls(manage);
        if (!campaign) return (await push.createCampaign({ content })).campaign;
        return (await push.updateCampaign({ id: campaign.id, content, expectedVersion: campaign.version })).campaign;
      });
      if (key) await renew(key);
      go(openedCampaign({ id: kept?.id ?? "" }));
    } catch (error) {
      setRefused(faultsOf(error));
    }
  };
  const editing: Editing = { draft, change, faults };
  const back = openedCampaign(campaign ? { id: campaign.id } : {});
  const elsewhere = refused.filter(({ field }) => !field.startsWith("content."));
  return (
    <div class="split is-builder">
      <section class="card" aria-label="Campaign">
        <header class="card-head">
          <a class="button is-quiet" href={addressOf(back)} onClick={(event) => follow(event, () => go(back))}><Icon name="left" /> Back</a>
          <h2>{campaign ? <>Change <bdi>{campaign.content?.name}</bdi></> : "New campaign"}</h2>
        </header>
        <form class="form is-campaign" onSubmit={(event) => void keep(event)}>
          <Field name="Name" field="content.name" faults={faults}><input class="input" required maxLength={200} value={draft.name} onInput={(event) => change({ name: event.currentTarget.value })} /></Field>
          <Field name="To" field="content.segment_id" faults={faults}>
            <select class="input" value={draft.segmentId} onChange={(event) => change({ segmentId: event.currentTarget.value })}>
              <option value="">Everybody with a subscription</option>
              {[...names].map(([id, name]) => <option key={id} value={id}>{name}</option>)}
            </select>
          </Field>
          <MessageFields {...editing} />
          <ScheduleFields {...editing} zone={site.zone} />
          <Bounds {...editing} zone={site.zone} />
          <p class="actions">
            <button type="submit" class="button is-main">{campaign ? "Keep the change" : "Keep as draft"}</button>
            <span class="hint">Nothing is sent before it is started on the next page.</span>
          </p>
          {elsewhere.map(({ says }) => <p key={says} class="problem" role="alert">{says}</p>)}
        </form>
      </section>
      <div class="beside">
        <Reach reach={reach} draft={draft} context={context} />
        <TestSend draft={draft} context={context} />
      </div>
    </div>
  );
}
