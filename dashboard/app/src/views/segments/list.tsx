// All segments of the site by name, each with what it means; and some to begin with.

import type { Segment } from "../../gen/pistats/segment/v1/segment_pb.js";
import { Downloads } from "../../parts/downloads.js";
import { follow } from "../../parts/follow.js";
import { Icon } from "../../parts/icons.js";
import { Empty } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { writeDraft } from "../../segments/draft.js";
import { STARTERS } from "../../segments/starters.js";
import { instant } from "../../show/tables.js";
import { instantText } from "../../show/times.js";
import { addressOf, go } from "../../state/page.js";
import type { SegmentChoice } from "../../state/url.js";
import type { Context } from "../context.js";
import { NEW } from "./segments.js";

const SEGMENT = "Visitors who match a rule, counted exactly and at any moment: who enters and leaves is seen as it happens.";

export const opened = (change: Partial<SegmentChoice>) => ({ view: "segments" as const, segment: { id: "", isEdited: false, tree: "", ...change } });

export function SegmentList({ list, context }: { list: Segment[]; context: Context }) {
  const { site } = context;
  const begin = opened({ id: NEW });
  return (
    <>
      <section class="card" aria-label="Segments">
        <header class="card-head">
          <h2><Term definition={SEGMENT}>Segments</Term></h2>
          <Downloads what="segments" name={[site.name, "segments"]} table={() => ({
            columns: ["id", "name", "description", "sentence", "version", "created", "changed", "used_in"],
            rows: list.map((one) => [one.id, one.name, one.description, one.sentence, one.version, instant(one.createdUs), instant(one.updatedUs), one.usedIn.length]),
          })} />
          <a class="button is-main" href={addressOf(begin)} onClick={(event) => follow(event, () => go(begin))}><Icon name="plus" /> Segment</a>
        </header>
        {list.length === 0 ? <Empty title="No segment is kept yet"><p>Begin with one of those below, with an empty one, or with the filters of the overview.</p></Empty> : (
          <ul class="kept">{list.map((segment) => <Line key={segment.id} segment={segment} zone={site.zone} />)}</ul>
        )}
      </section>
      <section class="card" aria-label="To begin with">
        <header class="card-head"><h2>To begin with</h2></header>
        <ul class="starters">
          {STARTERS.map(({ name, says, draft }) => {
            const begun = opened({ id: NEW, tree: writeDraft(draft) });
            return <li key={name}><a class="starter" href={addressOf(begun)} onClick={(event) => follow(event, () => go(begun))}><b>{name}</b><span class="hint">{says}</span></a></li>;
          })}
        </ul>
      </section>
    </>
  );
}

function Line({ segment, zone }: { segment: Segment; zone: string }) {
  const shown = opened({ id: segment.id });
  return (
    <li>
      <a class="kept-line" href={addressOf(shown)} onClick={(event) => follow(event, () => go(shown))}>
        <b><bdi>{segment.name}</bdi></b>
        <span class="hint">{segment.sentence}</span>
        <span class="hint kept-when" title={instantText(Number(segment.updatedUs / 1000n), zone)}>
          version {segment.version}{segment.usedIn.length > 0 && ` · used in ${segment.usedIn.length} ${segment.usedIn.length === 1 ? "segment" : "segments"}`}
        </span>
      </a>
    </li>
  );
}
