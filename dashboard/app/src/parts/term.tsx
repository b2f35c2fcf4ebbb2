// A word with its definition one hover, or one press of Tab, away.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export function Term({ children, definition, isEnd = false }: { children: ComponentChildren; definition: string; isEnd?: boolean }) {
  const id = useId();
  return (
    <span class={`term${isEnd ? " at-end" : ""}`} tabIndex={0} aria-describedby={id}>
      {children}
      <span role="tooltip" class="tip" id={id}>{definition}</span>
    </span>
  );
}
