import { ActionIcon, Anchor, Badge, Group as Row, Text, Tooltip } from "@mantine/core";
import { IconEdit, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { api, ask, list, type Schemas } from "../../api";
import { number, percent } from "../../format";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import type { Column } from "../../parts/table";

/** `set` says whether what it pays was set. */
export type Group = Schemas["GroupRow"] & { set: boolean };

/** `edit` is for who may change groups. */
export function useColumns(edit: ((group: Group) => void) | null): Column<Group>[] {
  const { t } = useTranslation(["groups", "common"]);
  const columns: Column<Group>[] = [
    { key: "name", title: t("name"), cell: ({ name }) => <Strong text={name} /> },
    { key: "ratio", title: t("ratio"), cell: (row) => <Ratio row={row} /> },
    { key: "users", title: t("users"), cell: ({ name }) => <Count of="users" group={name} /> },
    { key: "channels", title: t("channels"), cell: ({ name }) => <Count of="channels" group={name} /> },
    { key: "note", title: t("note"), cell: ({ note }) => note || "–" },
  ];
  if (!edit) return columns;
  return [...columns, { key: "actions", title: "", tight: true, cell: (row) => <Actions row={row} edit={edit} /> }];
}

function Strong({ text }: { text: string }) {
  return (
    <Text span inherit fw={500}>
      {text}
    </Text>
  );
}

function Ratio({ row }: { row: Group }) {
  const { t } = useTranslation("groups");
  const ratio = Number(row.ratio);
  return (
    <Row gap="xs" wrap="nowrap">
      <Text span inherit className="figure">
        × {row.ratio}
      </Text>
      <Text span inherit c="dimmed" visibleFrom="sm">
        {ratio === 1 ? t("whole") : percent(ratio)}
      </Text>
      {row.declared ? (
        <Tooltip label={t("declaredSays")}>
          <Badge tabIndex={0}>{t("declared")}</Badge>
        </Tooltip>
      ) : null}
      {row.set ? null : <Badge color="gray">{t("unset")}</Badge>}
    </Row>
  );
}

/** How many are in a group, with a way to them. */
function Count({ of, group }: { of: "users" | "channels"; group: string }) {
  const query = { group, page_size: 1 };
  const { data } = useQuery({
    queryKey: ["groups", "count", of, group],
    queryFn: async () => {
      const found =
        of === "users"
          ? await list(() => api.GET("/user", { params: { query } }))
          : await list(() => api.GET("/channel", { params: { query } }));
      return found.total;
    },
  });
  return (
    <Anchor component={Link} href={`/${of}?group=${encodeURIComponent(group)}`} inherit className="figure">
      {data === undefined ? "…" : number(data)}
    </Anchor>
  );
}

function Actions({ row, edit }: { row: Group; edit: (row: Group) => void }) {
  const { t } = useTranslation(["groups", "common"]);
  const { name } = row;
  const remove = useAct(() => ask(() => api.DELETE("/group/{name}", { params: { path: { name } } })), {
    renews: [["groups"], ["pricing"], ["prices"]],
    done: t("common:done"),
  });
  if (row.declared) return null;
  async function gone() {
    if (await confirmed({ title: t("deleteTitle", { name }), says: t("deleteSays"), yes: t("common:delete") }))
      remove.mutate();
  }
  return (
    <Row gap={2} wrap="nowrap" justify="flex-end">
      <Tooltip label={t("common:edit")}>
        <ActionIcon onClick={() => edit(row)} aria-label={`${t("common:edit")} ${t("of", { name })}`}>
          <IconEdit size={16} />
        </ActionIcon>
      </Tooltip>
      {row.set ? (
        <Tooltip label={t("common:delete")}>
          <ActionIcon onClick={gone} aria-label={`${t("common:delete")} ${t("of", { name })}`}>
            <IconTrash size={16} />
          </ActionIcon>
        </Tooltip>
      ) : null}
    </Row>
  );
}
