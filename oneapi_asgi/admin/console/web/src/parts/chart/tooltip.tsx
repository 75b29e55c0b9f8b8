import { Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import type { ChartProps } from "./series";
import type { Look } from "./palette";
import { Swatch } from "./swatch";
import { whole } from "./times";

interface Props extends ChartProps {
  hidden: ReadonlySet<string>;
  colours: Look;
  index: number;
  left: number;
  top: number;
  width: number;
}

/** What each line is worth at the cursor, the most first; it stands beside the cursor, on the side that has room. */
export function Tooltip({ series, hidden, kind, show, colours, index, left, top, width }: Props) {
  const { t } = useTranslation("chart");
  const seen = series.lines
    .map((line, place) => ({ ...line, value: line.values[index] ?? null, colour: line.colour ?? place }))
    .filter((line) => !hidden.has(line.key) && line.value !== null && (kind === "lines" || line.value !== 0))
    .toSorted((one, other) => (other.value ?? 0) - (one.value ?? 0));
  const sum = seen.reduce((all, line) => all + (line.value ?? 0), 0);
  const right = left > width / 2;
  return (
    <div
      className="chart-tip"
      style={{ top: Math.max(0, top - 20), ...(right ? { right: width - left + 14 } : { left: left + 14 }) }}
    >
      <Text size="xs" fw={600} mb={4}>
        {whole(series.step)(series.times[index] ?? 0)}
      </Text>
      {seen.length === 0 ? (
        <Text size="xs" c="dimmed">
          {t("nothing")}
        </Text>
      ) : null}
      {seen.map((line) => (
        <Group key={line.key} gap={6} wrap="nowrap" justify="space-between">
          <Group gap={6} wrap="nowrap" miw={0}>
            <Swatch colour={colours.lines[line.colour] ?? colours.text} />
            <Text size="xs" truncate maw={170}>
              {line.label}
            </Text>
          </Group>
          <Text size="xs" className="figure" fw={500}>
            {show(line.value ?? 0)}
          </Text>
        </Group>
      ))}
      {kind === "stack" && seen.length > 1 ? (
        <Group gap={6} justify="space-between" mt={4} className="chart-sum">
          <Text size="xs">{t("sum")}</Text>
          <Text size="xs" className="figure" fw={600}>
            {show(sum)}
          </Text>
        </Group>
      ) : null}
    </div>
  );
}
