import { Group, SimpleGrid, Skeleton, Text, Tooltip } from "@mantine/core";
import { IconArrowDownRight, IconArrowUpRight } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { compact, money, number, percent, shortMoney, span } from "../../format";
import { Money } from "../../parts/money";
import { useUser } from "../../session";
import { MEASURES, type Sums } from "./sums";

interface Figure {
  key: "spend" | "calls" | "tokens" | "errors" | "latency";
  of: (sums: Sums) => number | null;
  show: (value: number) => string;
  full: (value: number) => string;
  /** Whether less is better; null where neither is. */
  lessIsBetter: boolean | null;
}

const FIGURES: readonly Figure[] = [
  { key: "spend", of: MEASURES.spend, show: shortMoney, full: money, lessIsBetter: null },
  { key: "calls", of: MEASURES.calls, show: compact, full: number, lessIsBetter: null },
  { key: "tokens", of: MEASURES.tokens, show: compact, full: number, lessIsBetter: null },
  {
    key: "errors",
    of: ({ calls, failed }) => (calls ? failed / calls : null),
    show: percent,
    full: percent,
    lessIsBetter: true,
  },
  {
    key: "latency",
    of: MEASURES.latency,
    show: span,
    full: span,
    lessIsBetter: true,
  },
];

/** What it all adds up to, and how that was in the span before. */
export function Cards({ now, before }: { now: Sums | undefined; before: Sums | undefined }) {
  const { t } = useTranslation("dashboard");
  const user = useUser();
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="sm">
      {FIGURES.map((figure) => (
        <Card key={figure.key} title={t(`metric.${figure.key}`)}>
          <Value figure={figure} now={now} before={before} />
        </Card>
      ))}
      <Card title={t("balance")}>
        <Text fz={22} fw={650} lh={1.3}>
          {user.unlimited_quota ? t("unlimited") : <Money quota={user.quota} />}
        </Text>
        <Text size="xs" c="dimmed">
          {t("usedInAll")} <Money quota={user.used_quota} />
        </Text>
      </Card>
    </SimpleGrid>
  );
}

function Card({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="panel card" aria-label={title}>
      <Text size="xs" c="dimmed" component="h2" fw={500}>
        {title}
      </Text>
      {children}
    </section>
  );
}

function Value({ figure, now, before }: { figure: Figure; now: Sums | undefined; before: Sums | undefined }) {
  if (!now) return <Skeleton height={28} mt={6} />;
  const value = figure.of(now);
  return (
    <>
      <Tooltip label={value === null ? "–" : figure.full(value)}>
        <Text fz={22} fw={650} lh={1.3} className="figure" span display="block">
          {value === null ? "–" : figure.show(value)}
        </Text>
      </Tooltip>
      {before ? <Change figure={figure} now={value} before={figure.of(before)} /> : null}
    </>
  );
}

function Change({ figure, now, before }: { figure: Figure; now: number | null; before: number | null }) {
  const { t } = useTranslation("dashboard");
  if (now === null || before === null || before === 0) {
    return (
      <Text size="xs" c="dimmed">
        {before === null ? t("nothingBefore") : t("before", { value: figure.show(before) })}
      </Text>
    );
  }
  const change = now / before - 1;
  const good = figure.lessIsBetter !== null && Math.abs(change) >= 0.01 ? change < 0 === figure.lessIsBetter : null;
  const Icon = change < 0 ? IconArrowDownRight : IconArrowUpRight;
  return (
    <Tooltip label={t("before", { value: figure.full(before) })}>
      <Group gap={2} wrap="nowrap" display="inline-flex" className={good === null ? "" : good ? "good" : "bad"}>
        {Math.abs(change) < 0.001 ? null : <Icon size={14} aria-hidden />}
        <Text size="xs" c={good === null ? "dimmed" : undefined} className="figure">
          {change > 0 ? "+" : ""}
          {percent(change)}
        </Text>
      </Group>
    </Tooltip>
  );
}
