import { Anchor, Badge, Group, Stack, Text, TextInput, Tooltip, UnstyledButton } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { type KeyboardEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { api, ask } from "../../api";
import { moment, span } from "../../format";
import { locale } from "../../i18n";
import { useAct } from "../../parts/act";
import { Money } from "../../parts/money";
import { type Channel, type ChannelEdit, type Health, namesOf, STATUSES } from "./data";
import { Mark } from "./mark";

const MOST = 1_000_000;
const MOST_NAMED = 20;
const STATUS_COLORS: Readonly<Record<string, string>> = { on: "green", off: "gray", shut: "red" };
const HEALTH_COLORS: Readonly<Record<Health["state"], string>> = {
  fit: "green",
  doubtful: "yellow",
  cooling: "orange",
  out: "red",
  probing: "blue",
  recovering: "blue",
};

export function NameCell({ channel, provider }: { channel: Channel; provider: string }) {
  const { t } = useTranslation("channels");
  return (
    <Group gap="sm" wrap="nowrap" maw={300}>
      <Mark provider={channel.provider} name={provider} />
      <Stack gap={2} miw={0}>
        <Anchor component={Link} href={`/channels/${channel.id}`} size="sm" fw={500} lineClamp={2} className="name">
          {channel.name}
        </Anchor>
        <Group gap={6} wrap="wrap">
          <Text size="xs" c="dimmed" span>
            #{channel.id} · {provider}
          </Text>
          {namesOf(channel.tag).map((tag) => (
            <Badge key={tag} size="xs" variant="default" tt="none" maw={140}>
              {tag}
            </Badge>
          ))}
          {channel.declared ? (
            <Tooltip label={t("declaredSays")}>
              <Badge size="xs" variant="default" tt="none">
                {t("declared")}
              </Badge>
            </Tooltip>
          ) : null}
        </Group>
      </Stack>
    </Group>
  );
}

export function StatusCell({ channel, health }: { channel: Channel; health: Health | undefined }) {
  const { t } = useTranslation("channels");
  const status = STATUSES[channel.status as keyof typeof STATUSES];
  return (
    <Stack gap={2} align="flex-start" maw={180}>
      <Tooltip label={channel.disabled_because || t(`status.${status}`)} multiline maw={360}>
        <Badge color={STATUS_COLORS[status] ?? "gray"}>{t(`statusShort.${status}`)}</Badge>
      </Tooltip>
      {channel.disabled_because ? (
        <Text size="xs" c="dimmed" lineClamp={2}>
          {channel.disabled_because}
        </Text>
      ) : null}
      {status === "on" && health ? <HealthLine health={health} /> : null}
    </Stack>
  );
}

function HealthLine({ health }: { health: Health }) {
  const { t } = useTranslation("channels");
  const { state, worst, failures, in_flight: under } = health;
  const said = [
    ...(worst === state ? [] : [t("health.someWorse", { state: t(`health.${worst}`) })]),
    ...(failures ? [t("health.failures", { count: failures })] : []),
    ...(under ? [t("health.inFlight", { count: under })] : []),
    t("health.says"),
  ];
  return (
    <Tooltip label={said.join(" · ")} multiline maw={320}>
      <Group gap={6} wrap="nowrap" pl={4}>
        <span
          className="bullet"
          style={{ background: `var(--mantine-color-${HEALTH_COLORS[worst === "fit" ? state : worst]}-6)` }}
        />
        <Text size="xs" c="dimmed">
          {t(`health.${state}`)}
          <Left key={health.wait} seconds={health.wait} />
        </Text>
      </Group>
    </Tooltip>
  );
}

/** Counts down, until the next are told. */
function Left({ seconds }: { seconds: number }) {
  const { t } = useTranslation("channels");
  const [left, setLeft] = useState(Math.ceil(seconds));
  useEffect(() => {
    const timer = setInterval(() => setLeft((now) => Math.max(0, now - 1)), 1000);
    return () => clearInterval(timer);
  }, []);
  return left > 0 ? <> · {t("health.left", { count: left })}</> : null;
}

export function LatencyCell({ channel }: { channel: Channel }) {
  const { t } = useTranslation("channels");
  if (!channel.test_time) {
    return (
      <Text size="xs" c="dimmed" className="figure">
        {t("latency.never")}
      </Text>
    );
  }
  const color = channel.test_error ? "red" : speed(channel.response_time);
  return (
    <Tooltip label={t("latency.tested", { when: moment(channel.test_time) })}>
      <Badge color={color} className="figure">
        {channel.test_error || span(channel.response_time / 1000)}
      </Badge>
    </Tooltip>
  );
}

function speed(milliseconds: number): string {
  if (milliseconds <= 1000) return "green";
  if (milliseconds <= 3000) return "lime";
  return milliseconds <= 5000 ? "yellow" : "orange";
}

export function BalanceCell({ channel }: { channel: Channel }) {
  const { t } = useTranslation("channels");
  const update = useAct(
    () => ask(() => api.POST("/channel/update_balance/{id}", { params: { path: { id: channel.id } } })),
    { renews: [["channels"]] },
  );
  const asked = channel.balance_updated_time;
  return (
    <Stack gap={2} align="flex-end">
      <Tooltip label={asked ? t("balance.asked", { when: moment(asked) }) : t("balance.never")}>
        <UnstyledButton
          fz="sm"
          onClick={() => update.mutate()}
          disabled={update.isPending}
          aria-label={t("balance.ask", { name: channel.name })}
        >
          <Group gap={4} wrap="nowrap" className="figure">
            {asked ? amount(channel.balance, channel.balance_currency) : "–"}
            <IconRefresh size={13} opacity={0.6} aria-hidden className={update.isPending ? "spinning" : undefined} />
          </Group>
        </UnstyledButton>
      </Tooltip>
      <Text size="xs" c="dimmed" span>
        {t("balance.used")} <Money quota={channel.used_quota} />
      </Text>
    </Stack>
  );
}

/** In the provider's own unit, which need not be a currency. */
function amount(value: number, unit: string): string {
  const currency = /^[A-Z]{3}$/.test(unit);
  const options: Intl.NumberFormatOptions = currency
    ? { style: "currency", currency: unit, currencyDisplay: "narrowSymbol" }
    : { maximumFractionDigits: 2 };
  const text = new Intl.NumberFormat(locale(), options).format(value);
  return currency || !unit ? text : `${text} ${unit}`;
}

export function ModelsCell({ channel }: { channel: Channel }) {
  const { t } = useTranslation("channels");
  const models = namesOf(channel.models);
  const rest = models.length - MOST_NAMED;
  const more = rest > 0 ? ` ${t("modelsMore", { count: rest })}` : "";
  return (
    <Stack gap={2} align="flex-start" maw={160}>
      <Tooltip
        label={models.slice(0, MOST_NAMED).join(", ") + more}
        disabled={models.length === 0}
        multiline
        maw={360}
        className="broken"
      >
        <Anchor component={Link} href={`/channels/${channel.id}`} size="sm" c="inherit" className="figure">
          {t("modelsCount", { count: models.length })}
        </Anchor>
      </Tooltip>
      <Text size="xs" c="dimmed" lineClamp={2}>
        {namesOf(channel.group).join(", ")}
      </Text>
    </Stack>
  );
}

/** A number of a channel that is changed where it stands: by Enter, or by going on. Escape takes it back. */
export function NumberCell({
  channel,
  field,
  label,
  min,
}: {
  channel: Channel;
  field: "priority" | "weight";
  label: string;
  min: number;
}) {
  const [typed, setTyped] = useState<string | null>(null);
  const save = useAct(
    (next: number) => {
      const body: ChannelEdit = { id: channel.id, [field]: next };
      return ask(() => api.PUT("/channel", { body }));
    },
    { renews: [["channels"]] },
  );
  function commit() {
    const wanted = typed?.trim() ?? "";
    const next = /^-?\d{1,7}$/.test(wanted) ? Math.min(MOST, Math.max(min, Number(wanted))) : channel[field];
    if (next === channel[field]) setTyped(null);
    else save.mutate(next, { onSettled: () => setTyped(null) });
  }
  function pressed(event: KeyboardEvent<HTMLInputElement>) {
    if (event.key === "Enter") commit();
    if (event.key === "Escape") setTyped(null);
  }
  return (
    <TextInput
      aria-label={label}
      size="xs"
      w={64}
      inputMode="numeric"
      value={typed ?? String(channel[field])}
      onChange={(event) => setTyped(event.currentTarget.value)}
      onBlur={commit}
      onKeyDown={pressed}
      disabled={channel.declared}
      readOnly={save.isPending} // a field that is disabled loses the focus
      className="inline-number"
    />
  );
}
