/** What a chart shows, and how sums are made of it. */
export interface Line {
  key: string;
  label: string;
  /** One for each time; null where there is nothing to tell. */
  values: readonly (number | null)[];
  /** Which of the palette's colours; its own place among the lines if not said. */
  colour?: number;
}

export interface Series {
  /** Unix seconds at which each step begins. */
  times: readonly number[];
  step: "day" | "hour";
  lines: readonly Line[];
}

export interface ChartProps {
  title: string;
  series: Series;
  kind: "lines" | "stack";
  /** A value in full, for the tooltip and the table. */
  show: (value: number) => string;
  /** A value in short, for the axis. */
  axis: (value: number) => string;
  /** There are no halves of it. */
  whole?: boolean;
}

/** Each line on top of those before it that are shown; what is hidden stays where it is, unseen. */
export function stacked(lines: readonly Line[], hidden: ReadonlySet<string>): (number | null)[][] {
  const height: number[] = [];
  return lines.map((line) =>
    line.values.map((value, index) => {
      if (hidden.has(line.key)) return null;
      const top = (height[index] ?? 0) + (value ?? 0);
      height[index] = top;
      return top;
    }),
  );
}

/** Every so many steps get a mark, so that marks of `room` pixels fit into `width`. */
export function marks(times: readonly number[], width: number, room: number): number[] {
  const every = Math.max(1, Math.ceil((times.length * room) / Math.max(width, room)));
  return times.filter((_, index) => index % every === 0);
}
