import { Drawer, Group, NumberInput, Stack, Table, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { exactMoney, money, number } from "../../format";
import { useFocusBack } from "../../parts/focus-back";
import { Source } from "./columns";
import { type Count, costOf, hasPrice, type Parts, PARTS, type Price } from "./parts";

/** All of a price, and what a call costs by it. */
export function Details({ price, close }: { price: Price; close: () => void }) {
  useFocusBack();
  const { t } = useTranslation("prices");
  const priced = hasPrice(price);
  return (
    <Drawer opened onClose={close} position="right" title={price.model}>
      <Stack gap="lg">
        <Group gap="xs">
          <Source price={price} />
          {price.matched && price.matched !== price.model ? (
            <Text size="sm" c="dimmed">
              {t("glob", { glob: price.matched })}
            </Text>
          ) : null}
        </Group>
        {priced ? <Lines parts={price} label={price.model} /> : <Text size="sm">{t("refusedSays")}</Text>}
        {price.tiers.map((tier) => (
          <div key={tier.above}>
            <Title order={2} size="h5" mb="xs">
              {t("tier", { above: number(tier.above) })}
            </Title>
            <Lines parts={tier} label={t("tier", { above: number(tier.above) })} />
          </div>
        ))}
        {price.max_output === null ? null : (
          <Text size="sm">
            {t("maxOutput")}: {number(price.max_output)}
          </Text>
        )}
        {priced ? <Preview price={price} /> : null}
      </Stack>
    </Drawer>
  );
}

function Lines({ parts, label }: { parts: Parts; label: string }) {
  const { t } = useTranslation("prices");
  return (
    <Table aria-label={label}>
      <Table.Tbody>
        {PARTS.filter(([part]) => parts[part] !== null).map(([part, per]) => (
          <Table.Tr key={part}>
            <Table.Th fw={400}>{t(`part.${part}`)}</Table.Th>
            <Table.Td ta="right" className="figure">
              {exactMoney(Number(parts[part]))}{" "}
              <Text span c="dimmed" size="xs">
                / {t(`per.${per}`)}
              </Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

export function Preview({ price }: { price: Price }) {
  const { t } = useTranslation("prices");
  const [count, setCount] = useState<Count>({ input: 1000, cached: 0, output: 500 });
  const fields = [
    ["input", t("previewIn")],
    ["cached", t("previewCached")],
    ["output", t("previewOut")],
  ] as const;
  return (
    <div>
      <Title order={2} size="h5" mb="xs">
        {t("preview")}
      </Title>
      <Group grow align="flex-end" gap="xs">
        {fields.map(([field, label]) => (
          <NumberInput
            key={field}
            label={label}
            size="xs"
            min={0}
            allowDecimal={false}
            allowNegative={false}
            thousandSeparator=","
            hideControls
            value={count[field]}
            onChange={(value) => setCount((before) => ({ ...before, [field]: Number(value) || 0 }))}
          />
        ))}
      </Group>
      <Text mt="xs" aria-live="polite">
        {t("cost")}{" "}
        <Text span fw={600} className="figure" data-testid="cost">
          {money(costOf(price, count))}
        </Text>
      </Text>
    </div>
  );
}
