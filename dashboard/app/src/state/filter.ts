// Filters as they stand in the address, in the grammar of the command line: `country=DE|AT`, `path!~/admin`. A `|` or `\`
// inside a value is written with a `\` before it.

import { create } from "@bufbuild/protobuf";
import { FilterSchema, Operator, type Filter } from "../gen/pistats/query/v1/query_pb.js";
import { dimension, propertyOf } from "./dimensions.js";

export type OperatorKey = "is" | "is_not" | "contains" | "does_not_contain" | "starts_with";

export interface FilterChoice {
  /** Slug of the dimension. */
  by: string;
  operator: OperatorKey;
  values: string[];
}

const SIGNS: [sign: string, operator: OperatorKey][] = [
  ["!=", "is_not"], ["!~", "does_not_contain"], ["=", "is"], ["~", "contains"], ["^", "starts_with"],
];

export const OPERATOR_NAMES: Record<OperatorKey, string> = {
  is: "is", is_not: "is not", contains: "contains", does_not_contain: "does not contain", starts_with: "starts with",
};

const NUMBERS: Record<OperatorKey, Operator> = {
  is: Operator.IS, is_not: Operator.IS_NOT, contains: Operator.CONTAINS, does_not_contain: Operator.DOES_NOT_CONTAIN,
  starts_with: Operator.STARTS_WITH,
};

/** The contract takes at most so many values a filter. */
export const MAX_VALUES = 100;

export function writeFilter({ by, operator, values }: FilterChoice): string {
  const sign = SIGNS.find(([, known]) => known === operator)?.[0] ?? "=";
  return `${by}${sign}${values.map((value) => value.replace(/[\\|]/g, "\\$&")).join("|")}`;
}

/** Undefined for what is no filter: an address that somebody typed must not break the page. */
export function readFilter(text: string): FilterChoice | undefined {
  const at = text.search(/[=!~^]/);
  if (at < 1) return undefined;
  const by = text.slice(0, at);
  const rest = text.slice(at);
  const found = SIGNS.find(([sign]) => rest.startsWith(sign));
  if (!found || !dimension(by)) return undefined;
  const values = splitValues(rest.slice(found[0].length));
  return values.length <= MAX_VALUES ? { by, operator: found[1], values } : undefined;
}

function splitValues(text: string): string[] {
  const values: string[] = [""];
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === "|") values.push("");
    else values.push((values.pop() ?? "") + (letter === "\\" && at + 1 < text.length ? text[++at] : letter));
  }
  return values;
}

export function sameFilter(a: FilterChoice, b: FilterChoice): boolean {
  return writeFilter(a) === writeFilter(b);
}

/** With one more filter. A value of a dimension that is filtered by `is` already takes its place; the same filter again goes. */
export function withFilter(filters: FilterChoice[], added: FilterChoice): FilterChoice[] {
  if (filters.some((filter) => sameFilter(filter, added))) return filters.filter((filter) => !sameFilter(filter, added));
  const replaced = filters.filter((filter) => !(filter.by === added.by && filter.operator === "is" && added.operator === "is"));
  return [...replaced, added];
}

/** For the server. */
export function asFilter({ by, operator, values }: FilterChoice): Filter {
  return create(FilterSchema, {
    dimension: dimension(by)?.number ?? 0, property: propertyOf(by) ?? "", operator: NUMBERS[operator], values,
  });
}
