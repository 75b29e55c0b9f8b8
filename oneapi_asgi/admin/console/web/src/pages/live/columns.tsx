import { Anchor, Badge, Text, Tooltip } from "@mantine/core";
import type { TFunction } from "i18next";
import { Link } from "wouter";

import type { Schemas } from "../../api";
import { span } from "../../format";
import { Money } from "../../parts/money";
import type { Column } from "../../parts/table";

export type Running = Schemas["CallRow"];

export function columns(t: TFunction<"live">, admin: boolean, now: number): Column<Running>[] {
  const here = (cell: Column<Running>["cell"]): Column<Running>["cell"] => {
    return (row) => (row.here ? cell(row) : <Elsewhere t={t} />);
  };
  return [
    {
      key: "running",
      title: t("column.running"),
      align: "right",
      tight: true,
      cell: ({ started_at }) => <span className="figure">{span(Math.max(0, now - started_at))}</span>,
    },
    { key: "model", title: t("column.model"), cell: here(({ model }) => model || "–") },
    { key: "state", title: t("column.state"), tight: true, cell: (row) => <State row={row} t={t} /> },
    ...(admin ? [{ key: "user", title: t("column.user"), cell: ({ user }: Running) => user || "–" }] : []),
    { key: "token", title: t("column.token"), cell: ({ token_name }) => token_name || "–" },
    ...(admin
      ? [
          {
            key: "channel",
            title: t("column.channel"),
            cell: ({ channel, channel_name }: Running) =>
              channel ? (
                <Anchor component={Link} href={`/channels/${channel}`} fz="sm">
                  {channel_name || `#${channel}`}
                </Anchor>
              ) : (
                "–"
              ),
          },
        ]
      : []),
    {
      key: "attempt",
      title: t("column.attempt"),
      align: "right",
      tight: true,
      cell: ({ attempt }) => (attempt ? String(attempt) : "–"),
    },
    {
      key: "first",
      title: t("column.first"),
      align: "right",
      tight: true,
      cell: ({ first_content }) =>
        first_content === null ? "–" : <span className="figure">{span(first_content)}</span>,
    },
    {
      key: "held",
      title: t("column.held"),
      align: "right",
      tight: true,
      cell: ({ held }) => (held === null ? "–" : <Money nano={held} />),
    },
  ];
}

/** Of calls of other processes no more is known than what is held for them. */
function Elsewhere({ t }: { t: TFunction<"live"> }) {
  return (
    <Tooltip label={t("elsewhereSays")} multiline w={240}>
      <Text size="sm" c="dimmed" span>
        {t("elsewhere")}
      </Text>
    </Tooltip>
  );
}

function State({ row, t }: { row: Running; t: TFunction<"live"> }) {
  if (row.state === null) return "–";
  return (
    <Badge size="sm" color={row.state === "waiting" ? "orange" : "teal"}>
      {t(`state.${row.state}`)}
      {row.stream ? "" : ` · ${t("whole")}`}
    </Badge>
  );
}
