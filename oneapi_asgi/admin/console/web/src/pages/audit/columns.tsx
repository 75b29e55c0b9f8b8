import { Anchor, Badge, Text } from "@mantine/core";
import type { TFunction } from "i18next";

import type { Schemas } from "../../api";
import { Moment } from "../../parts/moment";
import { Money } from "../../parts/money";
import type { Column } from "../../parts/table";

export type Event = Schemas["AuditRow"];

const COLOURS = { manage: "orange", topup: "teal", system: "gray", test: "cyan" } as const;

export function said({ text, action, target }: Event): string {
  return text || `${action} ${target}`;
}

export function actorOf({ actor, actor_id }: Event, t: TFunction<"audit">): string {
  return actor || (actor_id === null ? t("gateway") : `#${actor_id}`);
}

export function columns(t: TFunction<"audit">, open: (event: Event) => void): Column<Event>[] {
  return [
    { key: "at", title: t("at"), tight: true, cell: ({ at }) => <Moment at={at} short /> },
    { key: "actor", title: t("actor"), cell: (event) => actorOf(event, t) },
    {
      key: "text",
      title: t("what"),
      cell: (event) => (
        <div className="what">
          <Badge color={COLOURS[event.kind]} size="sm" mr={6}>
            {t(`kind.${event.kind}`)}
          </Badge>
          <Anchor component="button" fz="sm" ta="left" className="anywhere" onClick={() => open(event)}>
            {said(event)}
          </Anchor>
        </div>
      ),
    },
    { key: "target", title: t("target"), tight: true, cell: (event) => <Target event={event} /> },
    {
      key: "quota",
      title: t("amount"),
      align: "right",
      tight: true,
      cell: ({ quota }) => (quota === null ? null : <Money quota={quota} />),
    },
    { key: "address", title: t("address"), tight: true, cell: ({ address }) => address || null },
  ];
}

/** What it was done to, and whom that concerns. */
function Target({ event: { target, user, actor } }: { event: Event }) {
  return (
    <div>
      <Text size="sm">{target || "–"}</Text>
      {user && user !== actor ? (
        <Text size="xs" c="dimmed">
          {user}
        </Text>
      ) : null}
    </div>
  );
}
