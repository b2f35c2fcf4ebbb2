// A button that opens a small panel under it: closed by Escape, by a click outside, and by choosing.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface Props {
  label: ComponentChildren;
  /** What a screen reader says of the button, where its label does not. */
  name?: string;
  class?: string;
  isEnd?: boolean;
  children: (close: () => void) => ComponentChildren;
  /** Opens it from outside: each other number opens it once. */
  opened?: number;
}

export function Menu({ label, name, class: more = "", isEnd = false, children, opened = 0 }: Props) {
  const [isOpen, setOpen] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  useEffect(() => {
    if (opened > 0) setOpen(true);
  }, [opened]);
  useEffect(() => {
    if (!isOpen) return;
    place.current?.querySelector<HTMLElement>(".panel input, .panel select, .panel button, .panel a")?.focus();
    const outside = (event: Event) => {
      if (!place.current?.contains(event.target as Node)) setOpen(false);
    };
    const keys = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
    };
    const here = place.current;
    document.addEventListener("pointerdown", outside);
    here?.addEventListener("keydown", keys);
    return () => {
      document.removeEventListener("pointerdown", outside);
      here?.removeEventListener("keydown", keys);
    };
  }, [isOpen]);
  return (
    <div class={`menu ${more}`} ref={place}>
      <button ref={button} type="button" class="button" aria-expanded={isOpen} aria-controls={id} aria-label={name} title={name} onClick={() => setOpen(!isOpen)}>
        {label}
      </button>
      {isOpen && <div class={`panel${isEnd ? " at-end" : ""}`} id={id}>{children(close)}</div>}
    </div>
  );
}
