// What stands where numbers would, when there are none: yet, at all, or because something failed.

import type { ComponentChildren } from "preact";
import type { Failure } from "../live/messages.js";

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><p class="empty-title">{title}</p>{children}</div>;
}

export function Waiting({ rows = 5 }: { rows?: number }) {
  return <div class="waiting" role="status" aria-label="Loading">{Array.from({ length: rows }, (_, row) => <span key={row} class="waiting-row" />)}</div>;
}

export function Failed({ failure }: { failure: Failure }) {
  return <Empty title="This cannot be shown"><p>{failure.message}</p></Empty>;
}
