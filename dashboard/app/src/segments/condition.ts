// A condition on one event, as a chip of the builder has it: close to a filter of reports, with numbers compared and without what
// segments do not have (entry and exit pages, "does not contain").

import { create } from "@bufbuild/protobuf";
import { ConditionSchema, Operator, type Condition } from "../gen/pistats/segment/v1/segment_pb.js";
import { dimension, DIMENSIONS, propertyOf } from "../state/dimensions.js";
import type { FilterChoice } from "../state/filter.js";

export type Test = "is" | "is_not" | "contains" | "starts_with" | "greater" | "less";

export interface ConditionChoice {
  /** Slug of a dimension, or `value`: what the event was worth. */
  by: string;
  operator: Test;
  values: string[];
}

export const TEST_NAMES: Record<Test, string> = {
  is: "is", is_not: "is not", contains: "contains", starts_with: "starts with", greater: "is more than", less: "is less than",
};

const NUMBERS: Record<Test, Operator> = {
  is: Operator.IS, is_not: Operator.IS_NOT, contains: Operator.CONTAINS, starts_with: Operator.STARTS_WITH, greater: Operator.GREATER, less: Operator.LESS,
};

export const isNumeric = (test: Test): boolean => test === "greater" || test === "less";

/** The operators that a subject allows: a value is a number, and only compared. */
export function testsOf(by: string): Test[] {
  return by === "value" ? ["greater", "less"] : (Object.keys(TEST_NAMES) as Test[]);
}

/** Segments are about visitors, sessions' ends are not of an event. */
export const SUBJECTS = DIMENSIONS.filter(({ slug }) => slug !== "entry_page" && slug !== "exit_page");

export function toCondition({ by, operator, values }: ConditionChoice): Condition {
  const subject = by === "value" ? { value: true } : { dimension: dimension(by)?.number ?? 0, property: propertyOf(by) ?? "" };
  return create(ConditionSchema, { ...subject, operator: NUMBERS[operator], values });
}

export function fromCondition({ value, dimension: number, property, operator, values }: Condition): ConditionChoice {
  const known = DIMENSIONS.find((info) => info.number === number);
  const by = value ? "value" : property !== "" ? `property:${property}` : (known?.slug ?? "page");
  const test = (Object.keys(NUMBERS) as Test[]).find((each) => NUMBERS[each] === operator) ?? "is";
  return { by, operator: test, values: [...values] };
}

/** A filter of reports as a condition; undefined where segments have none like it. */
export function ofFilter({ by, operator, values }: FilterChoice): ConditionChoice | undefined {
  if (operator === "does_not_contain" || by === "segment" || !(by.startsWith("property:") || SUBJECTS.some(({ slug }) => slug === by))) return undefined;
  return { by, operator, values };
}
