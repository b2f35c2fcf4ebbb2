// One of a few, side by side.

import { Term } from "./term.js";

interface Props<T extends string> {
  name: string;
  value: T;
  options: Record<T, string>;
  onChange: (value: T) => void;
  definition?: string;
}

export function Choice<T extends string>({ name, value, options, onChange, definition }: Props<T>) {
  return (
    <div class="choice" role="group" aria-label={name}>
      <span class="hint">{definition ? <Term definition={definition}>{name}</Term> : name}</span>
      <span class="segmented">
        {(Object.entries(options) as [T, string][]).map(([key, label]) => (
          <button key={key} type="button" class="tab" aria-pressed={key === value} onClick={() => onChange(key)}>{label}</button>
        ))}
      </span>
    </div>
  );
}
