import { Anchor, Badge, Group, Text, Tooltip } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import type { TFunction } from "i18next";
import type { ReactNode } from "react";

import { number, span } from "../../format";
import { Moment } from "../../parts/moment";
import { Money } from "../../parts/money";
import type { Column } from "../../parts/table";
import { CALL, type Entry, TYPES, type TypeName } from "./asked";
import { Outcome } from "./outcome";

const COLOURS: Record<TypeName, string> = {
  topup: "teal",
  call: "brand",
  manage: "orange",
  system: "gray",
  test: "cyan",
};

type Heading = "time" | "what" | "caller" | "token" | "channel" | "inOut" | "cost" | "took" | "outcome";

interface Wanted {
  t: TFunction<"logs">;
  admin: boolean;
  channels: ReadonlyMap<number, string>;
  open: (entry: Entry) => void;
}

function call(cell: (entry: Entry) => ReactNode): (entry: Entry) => ReactNode {
  return (entry) => (entry.type === CALL ? cell(entry) : null);
}

/** What there is to see of a row. What is not of a call has a text, and no more. */
export function columns({ t, admin, channels, open }: Wanted): Column<Entry>[] {
  const title = (key: Heading) => t(`column.${key}`);
  return [
    { key: "time", title: title("time"), tight: true, cell: ({ created_at }) => <Moment at={created_at} short /> },
    { key: "what", title: title("what"), cell: (entry) => <What entry={entry} t={t} open={open} /> },
    admin
      ? { key: "caller", title: title("caller"), cell: (entry) => <Caller entry={entry} /> }
      : { key: "token", title: title("token"), cell: ({ token_name }) => token_name || null },
    ...(admin
      ? [
          {
            key: "channel",
            title: title("channel"),
            cell: ({ channel }: Entry) => (channel ? <Channel name={channels.get(channel) ?? `#${channel}`} /> : null),
          },
        ]
      : []),
    {
      key: "inOut",
      title: title("inOut"),
      align: "right",
      tight: true,
      cell: call((row) => (
        <span className="figure">
          {number(row.prompt_tokens)} / {number(row.completion_tokens)}
        </span>
      )),
    },
    {
      key: "cost",
      title: title("cost"),
      align: "right",
      tight: true,
      cell: ({ quota, type }) => (quota || type === CALL ? <Money quota={quota} /> : null),
    },
    {
      key: "took",
      title: title("took"),
      align: "right",
      tight: true,
      cell: call((row) => <span className="figure">{span(row.elapsed_time / 1000)}</span>),
    },
    {
      key: "outcome",
      title: title("outcome"),
      tight: true,
      cell: call((row) => <Outcome status={row.status} reason={row.reason} />),
    },
  ];
}

function Channel({ name }: { name: string }) {
  return (
    <Text size="sm" maw={150} truncate title={name}>
      {name}
    </Text>
  );
}

function Caller({ entry: { username, token_name } }: { entry: Entry }) {
  if (!username && !token_name) return null;
  return (
    <div>
      <Text size="sm">{username || "–"}</Text>
      {token_name ? (
        <Text size="xs" c="dimmed">
          {token_name}
        </Text>
      ) : null}
    </div>
  );
}

/** A call is known by its model, and opens; all else by its text. */
function What({ entry, t, open }: { entry: Entry; t: TFunction<"logs">; open: (entry: Entry) => void }) {
  if (entry.type !== CALL) {
    const name = TYPES[entry.type as keyof typeof TYPES] ?? "system";
    return (
      <div className="what">
        <Badge color={COLOURS[name]} size="sm" mr={6}>
          {t(`type.${name}`)}
        </Badge>
        <Text size="sm" span className="anywhere">
          {entry.content}
        </Text>
      </div>
    );
  }
  return (
    <Group gap={6} wrap="nowrap" className="what">
      <Anchor component="button" fz="sm" ta="left" className="anywhere" onClick={() => open(entry)}>
        {entry.model_name || t("noModel")}
      </Anchor>
      {entry.is_stream ? (
        <Tooltip label={t("stream")}>
          <IconPlayerPlay size={14} role="img" aria-label={t("stream")} opacity={0.6} className="rigid" />
        </Tooltip>
      ) : null}
    </Group>
  );
}
