// A field that searches a list.

import { useEffect, useRef, useState } from "preact/hooks";

/** Asks once typing has paused. */
export function Search({ value, onChange, what }: { value: string; onChange: (text: string) => void; what: string }) {
  const [text, setText] = useState(value);
  const asked = useRef(value);
  useEffect(() => {
    // What was asked for comes back as the value, and by then more may have been typed, which stays.
    if (value === asked.current) return;
    asked.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === asked.current) return;
    const timer = setTimeout(() => {
      asked.current = text;
      onChange(text);
    }, 250);
    return () => clearTimeout(timer);
  }, [text]);
  return <input class="input search" type="search" placeholder="Contains…" aria-label={`Search ${what}`} value={text} onInput={(event) => setText(event.currentTarget.value)} />;
}
