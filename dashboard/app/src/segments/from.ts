// Segments out of what is on the screen: the filters of a report, a cell of the retention grid.

import { ofFilter, type ConditionChoice } from "./condition.js";
import { fresh, group, type Draft, type Group, type Window } from "./draft.js";
import { addDays, daysBetween, type Day } from "../state/days.js";
import type { FilterChoice } from "../state/filter.js";
import type { Days } from "../state/range.js";

type Did = Extract<Draft, { kind: "did" }>;

/**
 * The visitors of a filtered report: those with an event that passes all filters, within the range; and members of the segments
 * that are filtered by. Where that cannot be said with clauses: which filters are in the way.
 */
export function fromFilters(filters: FilterChoice[], days: Days, today: Day): { draft: Group } | { inTheWay: FilterChoice[] } {
  const members = filters.filter(({ by }) => by === "segment");
  const inTheWay: FilterChoice[] = [];
  const conditions: ConditionChoice[] = [];
  for (const filter of filters) {
    if (filter.by === "segment") continue;
    const condition = ofFilter(filter);
    if (condition) conditions.push(condition);
    else inTheWay.push(filter);
  }
  if (inTheWay.length > 0) return { inTheWay };
  const did: Did = { ...(fresh("did") as Did), conditions, window: windowOf(days, today) };
  return { draft: group([did, ...members.map(member)]) };
}

function member({ operator, values }: FilterChoice): Draft {
  const nodes = values.map((id): Draft => ({ kind: "member_of", id, isNot: false }));
  const [only] = nodes;
  const of: Draft = nodes.length === 1 && only ? only : group(nodes, "any");
  return { ...of, isNot: operator === "is_not" };
}

/** Days that end today move on with it; others stay where they are. */
function windowOf({ first, last }: Days, today: Day): Window {
  return last === today ? daysBetween(first, today) : { first, last };
}

/** A cell of the retention grid: who began in the cohort's days, and came back in those of the cell. */
export interface CellChoice {
  mode: "first" | "recurring";
  /** Filters of the report, of its start event and of its return event. */
  filters: FilterChoice[];
  start: FilterChoice[];
  returning: FilterChoice[];
  cohort: Days;
  cell: Days;
}

/**
 * The people of a cell, exactly; undefined where clauses cannot say it. Which is: filters that segments do not have, and
 * first-time cohorts with filters or a start event, for "the first such event" is no clause.
 */
export function fromCell({ mode, filters, start, returning, cohort, cell }: CellChoice): Group | undefined {
  const conditions = (chosen: FilterChoice[]): ConditionChoice[] | undefined => {
    const found = chosen.map(ofFilter);
    return found.every((each) => each !== undefined) ? found : undefined;
  };
  const [began, came] = [conditions([...filters, ...start]), conditions([...filters, ...returning])];
  if (!began || !came) return undefined;
  const didIn = (within: ConditionChoice[], days: Days): Draft => ({ ...(fresh("did") as Did), conditions: within, window: { first: days.first, last: days.last } });
  if (mode === "recurring") return group([didIn(began, cohort), didIn(came, cell)]);
  if (began.length > 0) return undefined;
  const seen = (when: "since" | "before", day: Day): Draft => ({ kind: "seen", end: "first", when, days: 0, day, isNot: false });
  return group([seen("since", cohort.first), seen("before", addDays(cohort.last, 1)), didIn(came, cell)]);
}
