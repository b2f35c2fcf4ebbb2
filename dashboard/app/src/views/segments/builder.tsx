// The builder: a tree of clauses, and beside it what it comes to, counted anew with each change.
//
// What is being edited stands in the address, so that it survives a reload and can be passed on. The server judges it: each fault is
// shown at the row that it is about.

import { useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { codeOf } from "../../calls/failure.js";
import { managing } from "../../calls/session.js";
import { Code } from "@connectrpc/connect";
import type { Segment } from "../../gen/pistats/segment/v1/segment_pb.js";
import { follow } from "../../parts/follow.js";
import { Icon } from "../../parts/icons.js";
import { asGroup, fresh, fromNode, group, toNode, writeDraft, type Group } from "../../segments/draft.js";
import { faultsOf, type Fault } from "../../segments/faults.js";
import { renew } from "../../segments/kept.js";
import { addressOf, go } from "../../state/page.js";
import type { Context } from "../context.js";
import { GroupEditor } from "./group.js";
import { opened } from "./list.js";
import { Preview, usePreview } from "./preview.js";

/** Where a tree lies in the requests that carry it. */
const ROOT = "root";

interface Props {
  context: Context;
  /** What the address says was begun. */
  begun: Group | undefined;
  /** The segment that is changed; absent for a new one. */
  segment: Segment | undefined;
}

export function Builder({ context, begun, segment }: Props) {
  const [draft, setDraft] = useState<Group>(() => begun ?? (segment?.root ? asGroup(fromNode(segment.root)) : group([fresh("did")])));
  const [refused, setRefused] = useState<Fault[]>([]);
  const preview = usePreview(context, draft);
  const change = (next: Group) => {
    setDraft(next);
    setRefused([]);
    go({ segment: { ...context.state.segment, tree: writeDraft(next) } }, true);
  };
  // What the preview says of the tree is newer than what keeping it said.
  const faults = [...preview.faults, ...refused.filter(({ field }) => !preview.faults.some((fault) => fault.field === field))];
  const back = opened(segment ? { id: segment.id } : {});
  return (
    <div class="split is-builder">
      <section class="card" aria-label="Clauses">
        <header class="card-head">
          <a class="button is-quiet" href={addressOf(back)} onClick={(event) => follow(event, () => go(back))}><Icon name="left" /> Back</a>
          <h2>{segment ? <>Change <bdi>{segment.name}</bdi></> : "New segment"}</h2>
        </header>
        <GroupEditor draft={draft} path={ROOT} faults={faults} context={context} onChange={(next) => change(next as Group)} own={segment?.id ?? ""} />
        <Save context={context} draft={draft} segment={segment} onRefused={setRefused} />
      </section>
      <Preview preview={preview} />
    </div>
  );
}

function Save({ context: { site, key }, draft, segment, onRefused }: { context: Context; draft: Group; segment: Segment | undefined; onRefused: (faults: Fault[]) => void }) {
  const [name, setName] = useState(segment?.name ?? "");
  const [description, setDescription] = useState(segment?.description ?? "");
  const [problem, setProblem] = useState("");
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      setProblem("");
      const root = toNode(draft);
      const kept = await managing(site.name, async (manage) => {
        const { segment: service } = calls(manage);
        if (!segment) return (await service.createSegment({ name: name.trim(), description, root })).segment;
        return (await service.updateSegment({ id: segment.id, name: name.trim(), description, root, expectedVersion: segment.version })).segment;
      });
      if (key) await renew(key);
      go(opened({ id: kept?.id ?? "" }));
    } catch (error) {
      const faults = faultsOf(error);
      onRefused(faults);
      const elsewhere = faults.filter(({ field }) => !field.startsWith(ROOT));
      setProblem(codeOf(error) === Code.Aborted ? "Somebody else changed this segment meanwhile. Open it anew, and change it again." : elsewhere.map(({ says }) => says).join(" ") || "It was not kept: look at the marked rows.");
    }
  };
  return (
    <form class="save" onSubmit={(event) => void save(event)}>
      <label>Name <input class="input" required maxLength={200} value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
      <label>What it is for <input class="input" maxLength={2000} value={description} onInput={(event) => setDescription(event.currentTarget.value)} /></label>
      <button type="submit" class="button is-main">{segment ? "Keep the change" : "Keep the segment"}</button>
      {problem && <p class="problem" role="alert">{problem}</p>}
    </form>
  );
}
