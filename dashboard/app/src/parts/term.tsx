// A word with its definition one hover, or one press of Tab, away.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export function Term({ children, definition }: { children: ComponentChildren; definition: string }) {
  const id = useId();
  return (
    <span class="term" tabIndex={0} aria-describedby={id}>
      {children}
      <span role="tooltip" class="tip" id={id}>{definition}</span>
    </span>
  );
}
