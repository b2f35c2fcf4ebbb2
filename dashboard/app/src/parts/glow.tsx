// A number that glows softly when it changes by itself. A number of another question is no change.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";

export function Glow({ value, of, children, title }: { value: string | number | bigint | undefined; of: string; children: ComponentChildren; title?: string }) {
  const last = useRef({ value, of, changes: 0 });
  if (last.current.of !== of) last.current = { value, of, changes: 0 };
  else if (last.current.value !== value) last.current = { value, of, changes: last.current.value === undefined ? 0 : last.current.changes + 1 };
  const { changes } = last.current;
  // Another key makes another element, and so starts the animation again.
  return <span key={changes} class={changes > 0 ? "num glow" : "num"} title={title}>{children}</span>;
}
