import { Table, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { number } from "../../format";
import { Money } from "../../parts/money";
import { type Call, COUNTS, Heading } from "./facts";

const PARTS = [...COUNTS, "calls"] as const;

/** How the price comes about, line by line: the amounts are exact, and rounded once at the end. */
export function Bill({ call: { bill } }: { call: Call }) {
  const { t } = useTranslation("logs");
  return (
    <section>
      <Heading>{t("bill.title")}</Heading>
      {bill ? (
        <>
          <Table.ScrollContainer minWidth={320} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
            <Table verticalSpacing={5} horizontalSpacing="xs" fz="xs" className="brief">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th scope="col">{t("bill.part")}</Table.Th>
                  <Table.Th scope="col" ta="right">
                    {t("bill.count")}
                  </Table.Th>
                  <Table.Th scope="col" ta="right">
                    {t("bill.price")}
                  </Table.Th>
                  <Table.Th scope="col" ta="right">
                    {t("bill.amount")}
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {bill.lines.map((line) => {
                  const part = PARTS.find((known) => known === line.part);
                  return (
                    <Table.Tr key={line.part}>
                      <Table.Td>{part ? t(`part.${part}`) : line.part}</Table.Td>
                      <Table.Td ta="right" className="figure">
                        {number(line.count)}
                      </Table.Td>
                      <Table.Td ta="right" className="figure">
                        {t(`bill.unit.${line.unit}`, { price: `$${line.price_usd}` })}
                      </Table.Td>
                      <Table.Td ta="right" className="figure">
                        ${line.amount_usd}
                      </Table.Td>
                    </Table.Tr>
                  );
                })}
              </Table.Tbody>
              <Table.Tfoot>
                <Line name={t("bill.sum")} value={`$${bill.sum_usd}`} />
                <Line name={t("bill.ratio")} value={`× ${bill.ratio}`} />
                <Line name={t("bill.exact")} value={`$${bill.exact_usd}`} />
                <Table.Tr>
                  <Table.Th scope="row" colSpan={3}>
                    {t("bill.cost")}
                  </Table.Th>
                  <Table.Td ta="right" fw={650}>
                    <Money nano={bill.cost} />
                  </Table.Td>
                </Table.Tr>
              </Table.Tfoot>
            </Table>
          </Table.ScrollContainer>
          {bill.tier === null ? null : (
            <Text size="xs" c="dimmed" mt={4}>
              {t("bill.tier", { tokens: number(bill.tier) })}
            </Text>
          )}
        </>
      ) : (
        <Text size="sm" c="dimmed">
          {t("bill.none")}
        </Text>
      )}
    </section>
  );
}

function Line({ name, value }: { name: string; value: string }) {
  return (
    <Table.Tr>
      <Table.Th scope="row" colSpan={3} fw={400}>
        {name}
      </Table.Th>
      <Table.Td ta="right" className="figure">
        {value}
      </Table.Td>
    </Table.Tr>
  );
}
