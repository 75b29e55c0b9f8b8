const [WIDTH, HEIGHT] = [240, 44];

/** A small line of what was, the newest at the right. */
export function Sparkline({ values, most, label }: { values: readonly number[]; most: number; label: string }) {
  const top = Math.max(1, ...values);
  const step = WIDTH / (most - 1);
  const first = WIDTH - (values.length - 1) * step;
  const points = values.map((value, index) => `${first + index * step},${HEIGHT - 2 - (value / top) * (HEIGHT - 6)}`);
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {points.length > 1 ? (
        <>
          <polygon points={`${first},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`} className="spark-area" />
          <polyline points={points.join(" ")} className="spark-line" vectorEffect="non-scaling-stroke" />
        </>
      ) : null}
    </svg>
  );
}
