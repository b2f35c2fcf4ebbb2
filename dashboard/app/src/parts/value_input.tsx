// A text field that offers the values which the site really has: those of the range that contain what was typed, most visitors
// first.

import { useEffect, useId, useState } from "preact/hooks";
import { calls } from "../calls/clients.js";
import { valueName } from "../show/names.js";
import { short } from "../show/numbers.js";
import { breakdown, daysRange } from "../state/questions.js";
import type { Context } from "../views/context.js";

interface Offer {
  value: string;
  visitors: bigint;
}

export function ValueInput({ by, context, onPick, onText, text, name = "Value" }: { by: string; context: Context; text: string; onText: (text: string) => void; onPick: (value: string) => void; name?: string }) {
  const id = useId();
  const [offers, setOffers] = useState<Offer[]>([]);
  const [at, setAt] = useState(-1);
  const [isOpen, setOpen] = useState(false);
  const { state, key, days } = context;
  useEffect(() => {
    if (!isOpen || !key || !by) return;
    const ended = new AbortController();
    const timer = setTimeout(() => {
      const more = text ? [{ by, operator: "contains" as const, values: [text] }] : [];
      const question = breakdown({ ...state, filters: [] }, daysRange(days), { by, limit: 8, more }, false);
      calls(key).query.breakdown(question, { signal: ended.signal })
        .then(({ rows }) => {
          setOffers(rows.map((row) => ({ value: row.value, visitors: row.metrics?.visitors ?? 0n })));
          setAt(-1);
        })
        .catch(() => undefined);
    }, 120);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  }, [by, text, key, isOpen]);
  const pick = (value: string) => {
    setOpen(false);
    onPick(value);
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((at + (event.key === "ArrowDown" ? 1 : -1) + offers.length + 1) % (offers.length + 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      pick(offers[at]?.value ?? text);
    } else if (event.key === "Escape" && isOpen && offers.length > 0) {
      event.stopPropagation();
      setOpen(false);
    }
  };
  return (
    <div class="combo">
      <input class="input" role="combobox" aria-label={name} aria-expanded={isOpen && offers.length > 0} aria-controls={id} aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined} autocomplete="off" spellcheck={false} dir="auto" placeholder="Value" value={text}
        onFocus={() => setOpen(true)} onBlur={() => setTimeout(() => setOpen(false), 150)} onKeyDown={keys}
        onInput={(event) => {
          setOpen(true);
          onText(event.currentTarget.value);
        }} />
      {isOpen && offers.length > 0 && (
        <ul class="offers" role="listbox" id={id} aria-label="Values of the site">
          {offers.map((offer, place) => (
            <li key={offer.value} id={`${id}-${place}`} role="option" aria-selected={place === at} onPointerDown={(event) => event.preventDefault()} onClick={() => pick(offer.value)}>
              <bdi class={offer.value ? "value" : "value is-none"}>{valueName(by, offer.value)}</bdi>
              <span class="num">{short(offer.visitors)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
