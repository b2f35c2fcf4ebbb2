// Segments: all that the site keeps, one of them, or the builder.

import { readDraft } from "../../segments/draft.js";
import { useKept } from "../../segments/kept.js";
import { Waiting } from "../../parts/state.js";
import type { Context } from "../context.js";
import { Builder } from "./builder.js";
import { SegmentList } from "./list.js";
import { SegmentPage } from "./page.js";

export const NEW = "new";

export function Segments({ context }: { context: Context }) {
  const { id, isEdited, tree } = context.state.segment;
  const { list, problem } = useKept(context.key);
  if (problem && !list) return <section class="card"><p class="problem" role="alert">{problem}</p></section>;
  if (!list) return <section class="card"><Waiting /></section>;
  if (id === NEW) return <Builder key={NEW} context={context} begun={readDraft(tree)} segment={undefined} />;
  const segment = list.find((each) => each.id === id);
  if (segment && isEdited) return <Builder key={`${id} ${segment.version}`} context={context} begun={readDraft(tree)} segment={segment} />;
  if (id !== "") return <SegmentPage key={id} id={id} segment={segment} context={context} />;
  return <SegmentList list={list} context={context} />;
}
