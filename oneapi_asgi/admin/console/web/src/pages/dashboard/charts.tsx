import { SimpleGrid } from "@mantine/core";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { compact, money, number, span } from "../../format";
import { Chart } from "../../parts/chart";
import type { Asked } from "./asked";
import { type Metric, type Row, serieses } from "./sums";

const WIDE: readonly Metric[] = ["spend"];
const OTHERS: readonly Metric[] = ["calls", "tokens", "errors", "latency"];

const SHOWN: Record<
  Metric,
  { kind: "stack" | "lines"; show: (n: number) => string; axis: (n: number) => string; whole?: true }
> = {
  spend: { kind: "stack", show: money, axis: money },
  calls: { kind: "stack", show: number, axis: compact, whole: true },
  tokens: { kind: "stack", show: number, axis: compact, whole: true },
  errors: { kind: "stack", show: number, axis: compact, whole: true },
  latency: { kind: "lines", show: span, axis: span },
  first: { kind: "lines", show: span, axis: span },
};

export default function Charts({ rows, asked }: { rows: readonly Row[]; asked: Asked }) {
  const { t, i18n } = useTranslation("dashboard");
  const { since, until, before, step } = asked.span;
  const series = useMemo(
    () =>
      serieses(rows, { since, until, before, step }, asked.split, {
        all: t("by.all"),
        rest: t("rest"),
        of: ({ id, name }) => name || (id ? t("gone", { id }) : t("nameless")),
      }),
    // oxlint-disable-next-line react-hooks/exhaustive-deps
    [rows, since, until, before, step, asked.split, i18n.language],
  );
  const draw = (metric: Metric, height: number) => (
    <Chart
      key={`${metric}-${asked.split}`}
      title={t(`chart.${metric}`)}
      series={series[metric]}
      height={height}
      {...SHOWN[metric]}
    />
  );
  return (
    <>
      {WIDE.map((metric) => draw(metric, 240))}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        {OTHERS.map((metric) => draw(metric, 200))}
      </SimpleGrid>
      {step === "hour" ? draw("first", 200) : null}
    </>
  );
}
