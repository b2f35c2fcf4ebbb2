// All campaigns of the site, the newest first.

import type { Campaign } from "../../gen/pistats/push/v1/push_pb.js";
import { Downloads } from "../../parts/downloads.js";
import { follow } from "../../parts/follow.js";
import { Icon } from "../../parts/icons.js";
import { Empty } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { instant } from "../../show/tables.js";
import { addressOf, go } from "../../state/page.js";
import { segmentNames } from "../../state/segment_names.js";
import { useStore } from "../../state/store.js";
import type { CampaignChoice } from "../../state/url.js";
import type { Context } from "../context.js";
import { NEW } from "./campaigns.js";
import { STATES, whenText } from "./words.js";

const CAMPAIGN = "A push message to the visitors of a segment who asked for messages, at the moment that suits. Each gets it once.";

export const openedCampaign = (change: Partial<CampaignChoice>) => ({ view: "campaigns" as const, campaign: { id: "", isEdited: false, segment: "", ...change } });

export function CampaignList({ list, context: { site } }: { list: Campaign[]; context: Context }) {
  const names = useStore(segmentNames);
  const begin = openedCampaign({ id: NEW });
  const to = (campaign: Campaign) => (campaign.content?.segmentId ? (names.get(campaign.content.segmentId) ?? "a segment that is gone") : "everybody with a subscription");
  return (
    <section class="card" aria-label="Campaigns">
      <header class="card-head">
        <h2><Term definition={CAMPAIGN}>Campaigns</Term></h2>
        <Downloads what="campaigns" name={[site.name, "campaigns"]} table={() => ({
          columns: ["id", "name", "state", "segment", "title", "created", "started", "ended"],
          rows: list.map((one) => [one.id, one.content?.name, STATES[one.state], to(one), one.content?.message?.title, instant(one.createdUs), one.startedUs ? instant(one.startedUs) : "", one.endedUs ? instant(one.endedUs) : ""]),
        })} />
        <a class="button is-main" href={addressOf(begin)} onClick={(event) => follow(event, () => go(begin))}><Icon name="plus" /> Campaign</a>
      </header>
      {list.length === 0 ? (
        <Empty title="No campaign yet">
          <p>A campaign sends a message to visitors who asked for messages: <a href={addressOf({ view: "setup" })} onClick={(event) => follow(event, () => go({ view: "setup" }))}>the set-up</a> says how pages ask.</p>
        </Empty>
      ) : (
        <ul class="kept">
          {list.map((campaign) => {
            const shown = openedCampaign({ id: campaign.id });
            return (
              <li key={campaign.id}>
                <a class="kept-line" href={addressOf(shown)} onClick={(event) => follow(event, () => go(shown))}>
                  <b><bdi>{campaign.content?.name}</bdi></b>
                  <span class="hint">To <bdi>{to(campaign)}</bdi>, {campaign.content && whenText(campaign.content, site.zone)}.</span>
                  <span class={`badge is-${STATES[campaign.state]}`}>{STATES[campaign.state]}</span>
                </a>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
