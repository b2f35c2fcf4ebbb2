// A line of steps, small enough for a row of a table. What has not begun yet is left out.

export function Spark({ values, name }: { values: number[]; name: string }) {
  const most = Math.max(1, ...values);
  const line = values.map((value, at) => `${values.length > 1 ? (at / (values.length - 1)) * 100 : 50},${28 - (value / most) * 26}`).join(" ");
  return (
    <svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label={name}>
      {values.length > 1 && <polyline points={line} fill="none" stroke="currentColor" stroke-width="1.6" vector-effect="non-scaling-stroke" />}
    </svg>
  );
}
