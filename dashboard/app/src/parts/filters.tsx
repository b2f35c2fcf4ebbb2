// Filters as chips: what reports are cut by. They stand in the address.

import { valueName } from "../show/names.js";
import { DIMENSIONS, SEGMENT } from "../state/dimensions.js";
import { OPERATOR_NAMES, type FilterChoice, type OperatorKey } from "../state/filter.js";
import { segmentNames } from "../state/segment_names.js";
import { useStore } from "../state/store.js";
import type { Context } from "../views/context.js";
import { Chips, singular, type ChipKind } from "./chips.js";

const ALL = Object.keys(OPERATOR_NAMES) as OperatorKey[];
const kind = (isOfEvents: boolean, hasSegments: boolean): ChipKind<OperatorKey> => ({
  what: "filter",
  subjects: [...(isOfEvents ? DIMENSIONS.filter(({ slug }) => !["entry_page", "exit_page"].includes(slug)) : hasSegments ? [...DIMENSIONS, SEGMENT] : DIMENSIONS)],
  operators: (by) => (by === SEGMENT.slug ? ["is", "is_not"] : ALL),
  names: OPERATOR_NAMES,
  isNumeric: () => false,
});

interface Props {
  filters: FilterChoice[];
  onChange: (filters: FilterChoice[]) => void;
  context: Context;
  label?: string;
  /** Opens the form of a new filter from outside. */
  opened?: number;
  /** Conditions look at events, so what belongs to sessions and visitors is left out. */
  isOfEvents?: boolean;
}

export function Filters({ filters, onChange, context, label = "Filter", opened = 0, isOfEvents = false }: Props) {
  const names = useStore(segmentNames);
  return <Chips choices={filters} onChange={onChange} context={context} label={label} opened={opened} kind={kind(isOfEvents, names.size > 0)} />;
}

export function chipText({ by, operator, values }: FilterChoice): string {
  return `${singular(by)} ${OPERATOR_NAMES[operator]} ${values.map((value) => valueName(by, value)).join(" or ")}`;
}
