import { ActionIcon, Badge, Group, Stack, Text, Tooltip } from "@mantine/core";
import { IconEdit, IconPlayerPlay, IconPlayerStop, IconTrash } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { Moment } from "../../parts/moment";
import { Money } from "../../parts/money";
import type { Column } from "../../parts/table";

export type Row = Schemas["RedemptionRow"];

const ENABLED = 1;
const USED = 3;

export function useColumns(edit: (row: Row) => void): Column<Row>[] {
  const { t } = useTranslation(["redemptions", "common"]);
  return [
    { key: "id", title: "ID", tight: true, cell: ({ id }) => <span className="figure">{id}</span> },
    {
      key: "name",
      title: t("common:name"),
      cell: ({ name }) => <Name text={name} />,
    },
    { key: "status", title: t("common:status"), cell: (row) => <StatusBadge row={row} /> },
    { key: "amount", title: t("amount"), align: "right", cell: ({ quota }) => <Money quota={quota} /> },
    { key: "created", title: t("created"), cell: ({ created_time }) => <Moment at={created_time} ago /> },
    {
      key: "expires",
      title: t("expires"),
      cell: ({ expired_time }) => <Expires at={expired_time} />,
    },
    { key: "redeemed", title: t("redeemed"), cell: (row) => <Redeemed row={row} /> },
    { key: "actions", title: "", tight: true, cell: (row) => <Actions row={row} edit={edit} /> },
  ];
}

function Name({ text }: { text: string }) {
  return (
    <Text span inherit fw={500} lineClamp={2}>
      {text}
    </Text>
  );
}

function Expires({ at }: { at: number }) {
  const { t } = useTranslation("common");
  if (at > 0) return <Moment at={at} ago />;
  return (
    <Text span inherit c="dimmed">
      {t("never")}
    </Text>
  );
}

function isPast(seconds: number): boolean {
  return seconds * 1000 < Date.now();
}

function StatusBadge({ row }: { row: Row }) {
  const { t } = useTranslation(["redemptions", "common"]);
  const late = row.expired_time > 0 && isPast(row.expired_time);
  const [text, color] =
    row.status === USED
      ? [t("used"), "gray"]
      : row.status !== ENABLED
        ? [t("common:disabled"), "orange"]
        : late
          ? [t("expired"), "red"]
          : [t("common:enabled"), "teal"];
  return <Badge color={color}>{text}</Badge>;
}

function Redeemed({ row }: { row: Row }) {
  const { t } = useTranslation("redemptions");
  if (row.redeemed_time <= 0) return <Moment at={0} />;
  return (
    <Stack gap={0}>
      <Moment at={row.redeemed_time} ago />
      {row.redeemed_by ? (
        <Text span size="xs" c="dimmed">
          {t("redeemedBy", { name: row.redeemed_by })}
        </Text>
      ) : null}
    </Stack>
  );
}

function Actions({ row, edit }: { row: Row; edit: (row: Row) => void }) {
  const { t } = useTranslation(["redemptions", "common"]);
  const { id, name } = row;
  const renews = [["redemptions"]];
  const turn = useAct(
    (status: 1 | 2) =>
      ask(() => api.PUT("/redemption", { params: { query: { status_only: "true" } }, body: { id, status } })),
    { renews },
  );
  const remove = useAct(() => ask(() => api.DELETE("/redemption/{id}", { params: { path: { id } } })), {
    renews,
    done: t("deleted"),
  });
  async function gone() {
    if (await confirmed({ title: t("deleteTitle", { id, name }), says: t("deleteSays"), yes: t("common:delete") }))
      remove.mutate();
  }
  const on = row.status === ENABLED;
  const switches = t(on ? "common:disable" : "common:enable");
  return (
    <Group gap={2} wrap="nowrap" justify="flex-end">
      {row.status === USED ? null : (
        <>
          <Tooltip label={switches}>
            <ActionIcon onClick={() => turn.mutate(on ? 2 : 1)} aria-label={`${switches} ${t("of", { id })}`}>
              {on ? <IconPlayerStop size={16} /> : <IconPlayerPlay size={16} />}
            </ActionIcon>
          </Tooltip>
          <Tooltip label={t("common:edit")}>
            <ActionIcon onClick={() => edit(row)} aria-label={`${t("common:edit")} ${t("of", { id })}`}>
              <IconEdit size={16} />
            </ActionIcon>
          </Tooltip>
        </>
      )}
      <Tooltip label={t("common:delete")}>
        <ActionIcon onClick={gone} aria-label={`${t("common:delete")} ${t("of", { id })}`}>
          <IconTrash size={16} />
        </ActionIcon>
      </Tooltip>
    </Group>
  );
}
