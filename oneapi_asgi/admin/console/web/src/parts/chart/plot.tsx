/** The drawing itself, which comes only where there is something to draw. */
import "uplot/dist/uPlot.min.css";

import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import UPlot from "uplot";

import { language } from "../../i18n";
import { look, type Look } from "./palette";
import { type ChartProps, marks, stacked } from "./series";
import { brief } from "./times";
import { Tooltip } from "./tooltip";

const STEP = { day: 86_400, hour: 3600 } as const;
const WHOLE = Array.from({ length: 15 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
const MARK_ROOM = 72;

interface At {
  index: number;
  left: number;
  top: number;
}

type Props = ChartProps & { hidden: ReadonlySet<string>; height: number };

export default function Plot(props: Props) {
  const { series, hidden, height, kind, axis, title } = props;
  const { ref, width } = useElementSize<HTMLElement>();
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const [at, setAt] = useState<At | null>(null);
  const colours = look(useComputedColorScheme("light") === "dark");
  const ready = width > 0;
  const words = language();
  useEffect(() => {
    if (!holder.current || !ready) return undefined;
    const made = new UPlot(
      options(props, colours, { width: holder.current.clientWidth, height }, setAt),
      drawn(props),
      holder.current,
    );
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
    // made anew for another look or other data; its width alone follows below
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [series, hidden, kind, axis, colours.panel, words, ready, height]);
  useEffect(() => plot.current?.setSize({ width, height }), [width, height]);
  return (
    <figure ref={ref} className="chart" aria-label={title} style={{ minHeight: height }}>
      <div ref={holder} />
      {at && at.index < series.times.length ? (
        <Tooltip {...props} colours={colours} index={at.index} left={at.left} top={at.top} width={width} />
      ) : null}
    </figure>
  );
}

/** Stacks are drawn from the highest down, so that each shows what is above the one before. */
function drawn({ series, hidden, kind }: Props): UPlot.AlignedData {
  const { times, lines } = series;
  const values =
    kind === "stack"
      ? stacked(lines, hidden).toReversed()
      : lines.map((line) => (hidden.has(line.key) ? line.values.map(() => null) : line.values.slice()));
  return [[...times], ...values];
}

function options(
  { series, kind, axis, whole = false }: Props,
  colours: Look,
  size: { width: number; height: number },
  setAt: (at: At | null) => void,
): UPlot.Options {
  const { times, step, lines } = series;
  const half = STEP[step] / 2;
  const mark = brief(step);
  const ink = { stroke: colours.text, font: "12px system-ui, sans-serif" };
  const rule = { stroke: colours.grid, width: 1 };
  const colour = (index: number) => colours.lines[lines[index]?.colour ?? index] ?? colours.text;
  const order = lines.map((_, index) => (kind === "stack" ? lines.length - 1 - index : index));
  return {
    ...size,
    padding: [10, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: kind === "lines", size: 7 } },
    scales: {
      x: { time: false, range: () => [(times[0] ?? 0) - half, (times.at(-1) ?? 0) + half] },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] },
    },
    axes: [
      {
        ...ink,
        grid: { show: false },
        ticks: { show: false },
        gap: 6,
        size: 32,
        splits: (plot) => marks(times, plot.width - 60, MARK_ROOM),
        values: (_plot, splits) => splits.map(mark),
      },
      {
        ...ink,
        grid: rule,
        ticks: { show: false },
        size: 62,
        gap: 6,
        space: 44,
        ...(whole ? { incrs: WHOLE } : {}),
        values: (_plot, splits) => splits.map(axis),
      },
    ],
    series: [
      {},
      ...order.map((index) =>
        kind === "stack"
          ? { stroke: colour(index), fill: colour(index), width: 0, points: { show: false }, paths: bars() }
          : { stroke: colour(index), width: 2, spanGaps: false, points: { size: 5, fill: colours.panel } },
      ),
    ],
    hooks: {
      setCursor: [
        (plot) => {
          const { idx, left = -1, top = -1 } = plot.cursor;
          const over = plot.over;
          setAt(
            idx === null || idx === undefined || left < 0
              ? null
              : { index: idx, left: left + over.offsetLeft, top: top + over.offsetTop },
          );
        },
      ],
    },
  };
}

function bars(): UPlot.Series.PathBuilder {
  const make = UPlot.paths.bars;
  if (!make) throw new Error("uPlot draws no bars.");
  return make({ size: [0.72, 48], radius: 0 });
}
