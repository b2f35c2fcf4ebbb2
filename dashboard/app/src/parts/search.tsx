// A field that searches a list.

import { useEffect, useState } from "preact/hooks";

/** Asks once typing has paused. */
export function Search({ value, onChange, what }: { value: string; onChange: (text: string) => void; what: string }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return <input class="input search" type="search" placeholder="Contains…" aria-label={`Search ${what}`} value={text} onInput={(event) => setText(event.currentTarget.value)} />;
}
