// All cohorts together: of those that are old enough for a period, how many visitors started and how many returned.

import type { Cohort } from "../../gen/pistats/query/v1/query_pb.js";

export function mean(cohorts: Cohort[], at: number): { of: bigint; returned: bigint | undefined } {
  let [of, returned] = [0n, 0n];
  for (const cohort of cohorts) {
    const cell = cohort.cells[at];
    if (cell === undefined) continue;
    of += cohort.visitors;
    returned += cell;
  }
  return { of, returned };
}
