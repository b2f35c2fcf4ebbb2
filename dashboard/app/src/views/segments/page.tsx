// One segment: what it means, how many are in it as people enter and leave, who they are, and where it is used.

import { useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import { useKept as useCampaigns } from "../../campaigns/kept.js";
import { managing } from "../../calls/session.js";
import type { Segment } from "../../gen/pistats/segment/v1/segment_pb.js";
import { follow } from "../../parts/follow.js";
import { Icon } from "../../parts/icons.js";
import { Empty } from "../../parts/state.js";
import { Sure } from "../../parts/sure.js";
import { renew } from "../../segments/kept.js";
import { fromNode, writeDraft } from "../../segments/draft.js";
import { useSegment } from "../../segments/watch.js";
import { instantText } from "../../show/times.js";
import { withFilter } from "../../state/filter.js";
import { addressOf, go } from "../../state/page.js";
import { segmentNames } from "../../state/segment_names.js";
import { useStore } from "../../state/store.js";
import type { Context } from "../context.js";
import { openedCampaign } from "../campaigns/list.js";
import { opened } from "./list.js";
import { Members } from "./members.js";
import { NEW } from "./segments.js";
import { Size } from "./size.js";

export function SegmentPage({ id, segment, context }: { id: string; segment: Segment | undefined; context: Context }) {
  if (!segment) return <section class="card"><Empty title="The site keeps no such segment"><a class="button" href={addressOf(opened({}))} onClick={(event) => follow(event, () => go(opened({})))}>All segments</a></Empty></section>;
  return <Kept id={id} segment={segment} context={context} />;
}

function Kept({ id, segment, context }: { id: string; segment: Segment; context: Context }) {
  const { state, key, site } = context;
  const watched = useSegment(key, id);
  const names = useStore(segmentNames);
  const filter = { view: "overview" as const, list: undefined, filters: withFilter(state.filters, { by: "segment", operator: "is", values: [id] }) };
  const edit = opened({ id, isEdited: true });
  const message = openedCampaign({ id: NEW, segment: id });
  // Where the server has no campaigns, none uses it.
  const campaigns = (useCampaigns(key).list ?? []).filter(({ content }) => content?.segmentId === id);
  const copy = opened({ id: NEW, tree: segment.root ? writeDraft(fromNode(segment.root)) : "" });
  return (
    <>
      <section class="card" aria-label="Segment">
        <header class="card-head is-wrapping">
          <a class="button is-quiet" href={addressOf(opened({}))} onClick={(event) => follow(event, () => go(opened({})))}><Icon name="left" /> All segments</a>
          <h1><bdi>{segment.name}</bdi></h1>
          <span class="bar-end">
            <a class="button" href={addressOf(filter)} onClick={(event) => follow(event, () => go(filter))}>See their numbers</a>
            <a class="button" href={addressOf(message)} onClick={(event) => follow(event, () => go(message))}>Send them a message</a>
            <a class="button" href={addressOf(copy)} onClick={(event) => follow(event, () => go(copy))}>Make one like it</a>
            <a class="button is-main" href={addressOf(edit)} onClick={(event) => follow(event, () => go(edit))}>Change</a>
            <Delete segment={segment} context={context} />
          </span>
        </header>
        {segment.description && <p>{segment.description}</p>}
        <p class="sentence">{segment.sentence}</p>
        <p class="hint">
          Version {segment.version}, of {instantText(Number(segment.updatedUs / 1000n), site.zone)}.{" "}
          {campaigns.length > 0 && `Used in ${campaigns.length} ${campaigns.length === 1 ? "campaign" : "campaigns"}: ${campaigns.map(({ content }) => content?.name).join(", ")}. `}
          {segment.usedIn.length === 0 ? "No other segment uses it." : <>Used in {segment.usedIn.length} {segment.usedIn.length === 1 ? "segment" : "segments"}: {segment.usedIn.map((each, at) => <>{at > 0 && ", "}<a key={each} href={addressOf(opened({ id: each }))} onClick={(event) => follow(event, () => go(opened({ id: each })))}><bdi>{names.get(each) ?? each}</bdi></a></>)}.</>}
        </p>
      </section>
      <Size id={id} watched={watched} context={context} name={[site.name, segment.name]} />
      <Members id={id} context={context} moved={`${watched.version} ${watched.entered} ${watched.left}`} name={segment.name} />
    </>
  );
}

function Delete({ segment, context: { site, key } }: { segment: Segment; context: Context }) {
  const [problem, setProblem] = useState("");
  const remove = async () => {
    try {
      setProblem("");
      await managing(site.name, (manage) => calls(manage).segment.deleteSegment({ id: segment.id }));
      go(opened({}));
      if (key) await renew(key);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  return (
    <>
      <Sure label="Delete" sure="Delete it for good?" kind="is-danger" onSure={() => void remove()} />
      {problem && <span class="problem" role="alert">{problem}</span>}
    </>
  );
}
