import { Table } from "@mantine/core";
import { useTranslation } from "react-i18next";

import type { ChartProps } from "./series";
import { whole } from "./times";

/** The same as a table: for who cannot see the drawing, or wants the figures. The newest first. */
export function Figures({ title, series, show, height }: ChartProps & { height: number }) {
  const { t } = useTranslation("chart");
  const { times, lines, step } = series;
  const say = whole(step);
  return (
    <section className="scroller" tabIndex={0} aria-label={title} style={{ maxHeight: height + 40, overflowY: "auto" }}>
      <Table stickyHeader verticalSpacing={4} horizontalSpacing="md" fz="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{t(step)}</Table.Th>
            {lines.map((line) => (
              <Table.Th key={line.key} scope="col" ta="right">
                {line.label}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {times
            .map((time, index) => (
              <Table.Tr key={time}>
                <Table.Th scope="row" fw={400} className="figure">
                  {say(time)}
                </Table.Th>
                {lines.map((line) => (
                  <Table.Td key={line.key} ta="right" className="figure">
                    {line.values[index] === null || line.values[index] === undefined
                      ? "–"
                      : show(line.values[index] ?? 0)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))
            .toReversed()}
        </Table.Tbody>
      </Table>
    </section>
  );
}
