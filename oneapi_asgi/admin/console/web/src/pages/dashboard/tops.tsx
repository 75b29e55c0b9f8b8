import { Anchor, Group, SimpleGrid, Table, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { compact, dollarsOfNano, number, percent, shortMoney } from "../../format";
import { Failed } from "../../parts/failed";
import type { Asked, useTops } from "./asked";
import { type Part, parts, type Split } from "./sums";

const MOST = 8;

/** Who and what costs most. A name that is chosen has the whole page to itself. */
export function Tops({ asked, found }: { asked: Asked; found: ReturnType<typeof useTops> }) {
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      {asked.splits.map((split, index) => {
        const result = found[index];
        if (result?.error) return <Failed key={split} error={result.error} again={result.refetch} />;
        return result?.data ? <Top key={split} split={split} all={parts(result.data, split)} asked={asked} /> : null;
      })}
    </SimpleGrid>
  );
}

function Top({ split, all, asked }: { split: Split; all: Part[]; asked: Asked }) {
  const { t } = useTranslation("dashboard");
  const title = t(`top.${split}`);
  const cost = all.reduce((sum, part) => sum + part.cost, 0);
  return (
    <section className="panel" aria-label={title}>
      <Group justify="space-between" px="md" pt="sm" pb={4}>
        <Text component="h2" fw={600} size="sm">
          {title}
        </Text>
        <Text size="xs" c="dimmed">
          {all.length > MOST ? t("of", { count: MOST, total: number(all.length) }) : null}
        </Text>
      </Group>
      <Table.ScrollContainer minWidth={300} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
        <Table horizontalSpacing="sm" verticalSpacing={6} className="brief" fz="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">{t(`column.${split}`)}</Table.Th>
              <Table.Th scope="col" ta="right">
                {t("metric.calls")}
              </Table.Th>
              <Table.Th scope="col" ta="right" visibleFrom="sm">
                {t("metric.tokens")}
              </Table.Th>
              <Table.Th scope="col" ta="right">
                {t("metric.errors")}
              </Table.Th>
              <Table.Th scope="col" ta="right">
                {t("metric.spend")}
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {all.slice(0, MOST).map((part) => (
              <Line key={part.key} split={split} part={part} share={cost ? part.cost / cost : 0} asked={asked} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function Line({ split, part, share, asked }: { split: Split; part: Part; share: number; asked: Asked }) {
  const { t } = useTranslation("dashboard");
  const name = part.name || (part.id ? t("gone", { id: part.id }) : t("nameless"));
  const value = split === "model" || split === "user" ? part.name : part.id ? String(part.id) : "";
  return (
    <Table.Tr>
      <Table.Td maw={200}>
        {value ? (
          <Anchor
            component="button"
            fz="xs"
            ta="left"
            truncate
            display="block"
            maw="100%"
            title={name}
            onClick={() => asked.set({ [split]: value })}
          >
            {name}
          </Anchor>
        ) : (
          <Text fz="xs" c="dimmed">
            {name}
          </Text>
        )}
        <div className="share" aria-hidden>
          <div style={{ width: `${Math.max(share * 100, 0.5)}%` }} />
        </div>
      </Table.Td>
      <Table.Td ta="right" className="figure">
        {number(part.calls)}
      </Table.Td>
      <Table.Td ta="right" className="figure" visibleFrom="sm">
        {compact(part.tokens)}
      </Table.Td>
      <Table.Td ta="right" className="figure">
        {percent(part.calls ? part.failed / part.calls : 0)}
      </Table.Td>
      <Table.Td ta="right" className="figure">
        {shortMoney(dollarsOfNano(part.cost))}
      </Table.Td>
    </Table.Tr>
  );
}
