// A field of the editor: its name, what is wrong with it, and what is in it.

import { cloneElement, type ComponentChildren, type VNode } from "preact";
import { useId } from "preact/hooks";
import { Term } from "../../parts/term.js";
import type { Fault } from "../../segments/faults.js";

interface Props {
  name: string;
  /** Of the contract: faults with this path, or one below it, are shown here. */
  field: string;
  faults: Fault[];
  definition?: string;
  children: VNode<{ id?: string; "aria-invalid"?: boolean }>;
}

export function Field({ name, field, faults, definition, children }: Props) {
  const id = useId();
  const mine = faults.filter((fault) => fault.field === field || fault.field.startsWith(`${field}.`));
  return (
    <>
      <label for={id}>{definition ? <Term definition={definition}>{name}</Term> : name}</label>
      <span class="field" data-field={field}>
        {cloneElement(children, { id, "aria-invalid": mine.length > 0 })}
        <Faults faults={mine} />
      </span>
    </>
  );
}

/** Several inputs that are one field. */
export function Fields({ name, field, faults, definition, children }: Omit<Props, "children"> & { children: ComponentChildren }) {
  const mine = faults.filter((fault) => fault.field === field || fault.field.startsWith(`${field}.`));
  return (
    <>
      <span>{definition ? <Term definition={definition}>{name}</Term> : name}</span>
      <span class="field is-several" role="group" aria-label={name} data-field={field}>{children}<Faults faults={mine} /></span>
    </>
  );
}

function Faults({ faults }: { faults: Fault[] }) {
  return <>{faults.map(({ field, says }) => <span key={field} class="problem" role="alert">{says}</span>)}</>;
}
