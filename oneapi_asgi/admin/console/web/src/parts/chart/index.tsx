import { ActionIcon, Group, Skeleton, Text, Tooltip } from "@mantine/core";
import { IconChartBar, IconTable } from "@tabler/icons-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";

import { Figures } from "./figures";
import { Legend } from "./legend";
import type { ChartProps } from "./series";

export { MOST_LINES } from "./palette";
export type { Line, Series } from "./series";

const Plot = lazy(() => import("./plot"));

/** Lines or stacked bars over time, with a legend that hides, and a table of the same in its place if one asks for it. */
export function Chart({ height = 220, aside, ...props }: ChartProps & { height?: number; aside?: ReactNode }) {
  const { t } = useTranslation("chart");
  const [table, setTable] = useState(false);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const { title, series } = props;
  const other = t(table ? "asChart" : "asTable");
  function toggle(key: string) {
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    setHidden(next);
  }
  return (
    <section className="panel chart-panel" aria-label={title}>
      <Group justify="space-between" px="md" pt="sm" pb={4} wrap="nowrap">
        <Text component="h2" fw={600} size="sm">
          {title}
        </Text>
        <Group gap="xs" wrap="nowrap">
          {aside}
          <Tooltip label={other}>
            <ActionIcon aria-label={`${other}: ${title}`} aria-pressed={table} onClick={() => setTable(!table)}>
              {table ? <IconChartBar size={18} /> : <IconTable size={18} />}
            </ActionIcon>
          </Tooltip>
        </Group>
      </Group>
      {table ? (
        <Figures {...props} height={height} />
      ) : (
        <>
          <Suspense fallback={<Skeleton height={height} />}>
            <Plot {...props} hidden={hidden} height={height} />
          </Suspense>
          {series.lines.length > 1 ? (
            <Legend lines={series.lines} hidden={hidden} toggle={toggle} label={t("legend", { title })} />
          ) : null}
        </>
      )}
    </section>
  );
}
