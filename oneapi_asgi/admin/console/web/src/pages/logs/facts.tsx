import { Group, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api";
import { number, span } from "../../format";
import { Copy } from "../../parts/copy";
import { type Fact, Facts } from "../../parts/facts";
import { Moment } from "../../parts/moment";
import { Money } from "../../parts/money";
import { reasonOf } from "./outcome";

export type Call = Schemas["CallDetail"];

export function Heading({ children }: { children: ReactNode }) {
  return (
    <Title order={3} size="h5" mb={6}>
      {children}
    </Title>
  );
}

/** Tokens of a streamed answer in a second, from when its first content came. */
function pace({ usage, duration, first_content, stream }: Call): number | null {
  const took = duration - (first_content ?? 0);
  return usage && stream && usage.output > 1 && took > 0 ? usage.output / took : null;
}

export function CallFacts({ call }: { call: Call }) {
  const { t } = useTranslation("logs");
  const rate = pace(call);
  const reason = reasonOf(call.reason);
  const facts: Fact[] = [
    [t("detail.id"), <Copied key="id" value={call.request_id} />],
    [t("column.time"), <Moment key="at" at={call.at} />],
    [t("detail.ended"), reason ? t(`reason.${reason}`) : call.reason],
    [t("detail.operation"), call.operation + (call.stream ? `, ${t("stream")}` : "")],
    [t("column.user"), call.username],
    [t("column.token"), call.token_name],
    [t("detail.client"), call.client],
    [t("column.channel"), call.channel_name || (call.channel ? `#${call.channel}` : "")],
    [t("detail.upstreamModel"), call.upstream_model === call.model ? "" : call.upstream_model],
    [t("detail.upstreamId"), call.upstream_request_id ? <Copied key="up" value={call.upstream_request_id} /> : ""],
    [t("detail.first"), call.first_content === null ? "" : span(call.first_content)],
    [t("column.took"), span(call.duration)],
    [t("detail.pace"), rate === null ? "" : t("detail.perSecond", { rate: number(rate, 1) })],
    [t("column.cost"), <Money key="cost" nano={call.cost} />],
  ];
  return <Facts facts={facts} />;
}

function Copied({ value }: { value: string }) {
  const { t } = useTranslation("logs");
  return (
    <Group gap={4} wrap="nowrap">
      <Text size="sm" ff="monospace" className="anywhere">
        {value}
      </Text>
      <Copy value={value} what={t("detail.id")} />
    </Group>
  );
}

/** The parts of a usage. */
export const COUNTS = [
  "input",
  "output",
  "cache_read",
  "cache_write",
  "cache_write_1h",
  "reasoning",
  "input_audio",
  "output_audio",
  "input_image",
  "output_image",
  "audio_seconds",
] as const;

/** All that was counted of the call. */
export function UsageParts({ call: { usage } }: { call: Call }) {
  const { t } = useTranslation("logs");
  const seen = usage ? COUNTS.filter((part) => part === "input" || part === "output" || usage[part]) : [];
  return (
    <section>
      <Heading>{t("usage.title")}</Heading>
      {usage ? <Facts facts={seen.map((part): Fact => [t(`part.${part}`), number(usage[part])])} /> : null}
      {usage?.estimated || !usage ? (
        <Text size="xs" c="dimmed">
          {t(usage ? "usage.estimated" : "usage.none")}
        </Text>
      ) : null}
    </section>
  );
}
