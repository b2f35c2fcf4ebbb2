// Steps of time as points of the chart. What has not begun yet has no number; the step of now is not over.

import type { TrafficResponse } from "../../gen/pistats/query/v1/query_pb.js";
import type { Point } from "../../parts/chart.js";
import type { MetricInfo } from "../../show/metrics.js";
import { stepText, tickText } from "../../show/times.js";
import type { IntervalKey } from "../../state/range.js";

export function points({ steps, comparedSteps }: TrafficResponse, chosen: MetricInfo, zone: string, interval: IntervalKey, now: number): Point[] {
  const isOneDay = steps.length > 0 && steps[0]?.day === steps.at(-1)?.day;
  return steps.map((step, at) => {
    const from = Number(step.fromUs / 1000n);
    const to = Number(step.toUs / 1000n);
    const compared = comparedSteps[at];
    return {
      label: stepText(from, zone, interval), tick: tickText(from, zone, interval, isOneDay),
      value: from > now ? undefined : (chosen.of(step.metrics) ?? 0), isUnfinished: from <= now && now < to,
      ...(compared ? { compared: chosen.of(compared.metrics) ?? 0, comparedLabel: stepText(Number(compared.fromUs / 1000n), zone, interval) } : {}),
    };
  });
}
