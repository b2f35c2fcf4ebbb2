// By how much a number grew against the one that it is compared with.

import type { MetricInfo } from "../show/metrics.js";
import { growth } from "../show/metrics.js";
import { change, shown } from "../show/numbers.js";

export function Growth({ metric, now, before }: { metric: MetricInfo; now: number | undefined; before: number | undefined }) {
  const share = growth(now, before);
  if (share === undefined) return now && before === 0 ? <span class="growth is-new" title="Nothing in the compared range">new</span> : null;
  const isSame = Math.abs(share) < 0.005;
  const isGood = isSame ? undefined : share > 0 !== Boolean(metric.isInverse);
  const kind = isGood === undefined ? "" : isGood ? " is-good" : " is-bad";
  return (
    <span class={`growth${kind}`} title={`Compared with ${shown(metric, before, false)}`}>
      <span aria-hidden="true">{isSame ? "•" : share > 0 ? "▲" : "▼"}</span> {change(isSame ? 0 : share)}
    </span>
  );
}
