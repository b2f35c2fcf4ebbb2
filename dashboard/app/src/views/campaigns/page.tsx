// One campaign: what it says, how far it is, what came of it; started, held, let go on, ended.

import { useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import { managing } from "../../calls/session.js";
import { fromContent } from "../../campaigns/draft.js";
import { renew } from "../../campaigns/kept.js";
import { useCampaign } from "../../campaigns/watch.js";
import { CampaignState, type Campaign, type CampaignContent } from "../../gen/pistats/push/v1/push_pb.js";
import { follow } from "../../parts/follow.js";
import { Icon } from "../../parts/icons.js";
import { Waiting } from "../../parts/state.js";
import { Sure } from "../../parts/sure.js";
import { whole } from "../../show/numbers.js";
import { instantText } from "../../show/times.js";
import { addressOf, go } from "../../state/page.js";
import { segmentNames } from "../../state/segment_names.js";
import { useStore } from "../../state/store.js";
import type { Context } from "../context.js";
import { opened } from "../segments/list.js";
import { openedCampaign } from "./list.js";
import { Look } from "./message.js";
import { Progress } from "./results.js";
import { useReach } from "./reach.js";
import { STATES, whenText } from "./words.js";

export function CampaignPage({ id, context }: { id: string; context: Context }) {
  const { campaign, results, problem } = useCampaign(context.key, id);
  const back = openedCampaign({});
  return (
    <>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {!campaign ? (problem ? <p><a class="button" href={addressOf(back)} onClick={(event) => follow(event, () => go(back))}>All campaigns</a></p> : <section class="card"><Waiting /></section>) : (
        <>
          <About campaign={campaign} context={context} />
          {campaign.state !== CampaignState.DRAFT && results && <Progress results={results} campaign={campaign} context={context} />}
        </>
      )}
    </>
  );
}

function About({ campaign, context }: { campaign: Campaign; context: Context }) {
  const { site } = context;
  const names = useStore(segmentNames);
  const { content } = campaign;
  const back = openedCampaign({});
  if (!content) return null;
  const segment = opened({ id: content.segmentId });
  return (
    <section class="card" aria-label="Campaign">
      <header class="card-head is-wrapping">
        <a class="button is-quiet" href={addressOf(back)} onClick={(event) => follow(event, () => go(back))}><Icon name="left" /> All campaigns</a>
        <h1><bdi>{content.name}</bdi></h1>
        <span class={`badge is-${STATES[campaign.state]}`} role="status">{STATES[campaign.state]}</span>
        <Actions campaign={campaign} content={content} context={context} />
      </header>
      <div class="split">
        <Look draft={fromContent(content, site.zone)} site={site.name} />
        <dl class="facts is-column">
          <div><dt>To</dt><dd>{content.segmentId ? <a href={addressOf(segment)} onClick={(event) => follow(event, () => go(segment))}><bdi>{names.get(content.segmentId) ?? "a segment that is gone"}</bdi></a> : "everybody with a subscription"}</dd></div>
          <div><dt>When</dt><dd>{whenText(content, site.zone)}</dd></div>
          {campaign.startedUs > 0n && <div><dt>Started</dt><dd>{instantText(Number(campaign.startedUs / 1000n), site.zone)}</dd></div>}
          {campaign.endedUs > 0n && <div><dt>Ended</dt><dd>{instantText(Number(campaign.endedUs / 1000n), site.zone)}</dd></div>}
          {content.expiresUs > 0n && <div><dt>Expires</dt><dd>{instantText(Number(content.expiresUs / 1000n), site.zone)}</dd></div>}
        </dl>
      </div>
    </section>
  );
}

/** What may be done in which state; what cannot be taken back is asked once more. */
function Actions({ campaign, content, context }: { campaign: Campaign; content: CampaignContent; context: Context }) {
  const { site, key } = context;
  const { id, version, state } = campaign;
  const [problem, setProblem] = useState("");
  const act = async (work: (manage: string) => Promise<unknown>, isLast = false) => {
    try {
      setProblem("");
      await managing(site.name, work);
      if (isLast) go(openedCampaign({}));
      if (key) await renew(key);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  const isUnderWay = state === CampaignState.SCHEDULED || state === CampaignState.RUNNING;
  const isHeld = state === CampaignState.PAUSED;
  const edit = openedCampaign({ id, isEdited: true });
  return (
    <span class="bar-end">
      {state === CampaignState.DRAFT && (
        <>
          <a class="button" href={addressOf(edit)} onClick={(event) => follow(event, () => go(edit))}>Change</a>
          <Start content={content} context={context} onSure={() => act((manage) => calls(manage).push.startCampaign({ id, expectedVersion: version }))} />
        </>
      )}
      {isUnderWay && <button type="button" class="button" onClick={() => void act((manage) => calls(manage).push.pauseCampaign({ id }))}>Pause</button>}
      {isHeld && <button type="button" class="button is-main" onClick={() => void act((manage) => calls(manage).push.resumeCampaign({ id }))}>Go on</button>}
      {(isUnderWay || isHeld) && <Sure label="Cancel" sure="Cancel it for good?" kind="is-danger" onSure={() => act((manage) => calls(manage).push.cancelCampaign({ id }))} />}
      {!isUnderWay && !isHeld && <Sure label="Delete" sure="Delete it for good?" kind="is-danger" onSure={() => act((manage) => calls(manage).push.deleteCampaign({ id }), true)} />}
      {problem && <span class="problem" role="alert">{problem}</span>}
    </span>
  );
}

/** Says to how many it goes before it goes. */
function Start({ content, context, onSure }: { content: CampaignContent; context: Context; onSure: () => void }) {
  const { answer } = useReach(context, fromContent(content, context.site.zone));
  const people = answer && content.schedule?.when.case !== "onEnter" ? ` to ${whole(answer.reachable)}` : "";
  return <Sure label="Start" sure={`Start it${people}?`} kind="is-main" onSure={onSure} />;
}
