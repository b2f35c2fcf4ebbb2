// From the chips of a report to a segment of the same people.

import { chipText } from "../../parts/filters.js";
import { follow } from "../../parts/follow.js";
import { fromFilters } from "../../segments/from.js";
import { writeDraft } from "../../segments/draft.js";
import { addressOf, go } from "../../state/page.js";
import type { Context } from "../context.js";
import { opened } from "./list.js";
import { NEW } from "./segments.js";

export function SaveAsSegment({ context: { state, days, today } }: { context: Context }) {
  if (state.filters.length === 0) return null;
  const found = fromFilters(state.filters, days, today);
  if ("inTheWay" in found) {
    const why = `Segments have no clause for: ${found.inTheWay.map(chipText).join("; ")}`;
    return <span class="term-of-button"><button type="button" class="button is-quiet" disabled title={why}>Save as segment</button></span>;
  }
  const begun = opened({ id: NEW, tree: writeDraft(found.draft) });
  return <a class="button is-quiet" href={addressOf(begun)} onClick={(event) => follow(event, () => go(begun))}>Save as segment</a>;
}
