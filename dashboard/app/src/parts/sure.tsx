// A button that asks once more before it does what cannot be taken back.

import { useState } from "preact/hooks";

export function Sure({ label, sure, kind = "", onSure }: { label: string; sure: string; kind?: string; onSure: () => void }) {
  const [isAsked, setAsked] = useState(false);
  const press = () => {
    setAsked(!isAsked);
    if (isAsked) onSure();
  };
  return <button type="button" class={`button ${kind}`} onBlur={() => setAsked(false)} onClick={press}>{isAsked ? sure : label}</button>;
}
