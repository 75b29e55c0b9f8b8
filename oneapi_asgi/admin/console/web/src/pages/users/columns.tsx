import { Badge, Group, Progress, Stack, Text, Tooltip } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { number, percent } from "../../format";
import { Moment } from "../../parts/moment";
import { Money } from "../../parts/money";
import type { Column } from "../../parts/table";
import { type User, useUser } from "../../session";
import { Actions } from "./actions";
import { ROLES } from "./roles";

interface Ways {
  edit: (user: User) => void;
  topUp: (user: User) => void;
}

export function useColumns(ways: Ways): Column<User>[] {
  const { t } = useTranslation(["users", "common"]);
  return [
    { key: "id", title: "ID", tight: true, cell: ({ id }) => <span className="figure">{id}</span> },
    { key: "username", title: t("user"), cell: (user) => <Who user={user} /> },
    { key: "group", title: t("group"), cell: ({ group }) => group },
    { key: "role", title: t("role"), cell: ({ role }) => <RoleBadge role={role} /> },
    { key: "status", title: t("common:status"), cell: ({ status }) => <StatusBadge status={status} /> },
    { key: "quota", title: t("left"), align: "right", sorted: "descending", cell: (user) => <Left user={user} /> },
    {
      key: "used_quota",
      title: t("used"),
      align: "right",
      sorted: "descending",
      cell: ({ used_quota }) => <Money quota={used_quota} />,
    },
    {
      key: "request_count",
      title: t("calls"),
      align: "right",
      sorted: "descending",
      cell: ({ request_count }) => <span className="figure">{number(request_count)}</span>,
    },
    { key: "last", title: t("last"), cell: ({ last_login_time }) => <Moment at={last_login_time} ago /> },
    { key: "actions", title: "", tight: true, cell: (user) => <Actions user={user} {...ways} /> },
  ];
}

function Who({ user }: { user: User }) {
  const { t } = useTranslation("users");
  const me = useUser();
  const more = [user.display_name, user.email, user.inviter_id ? t("invitedBy", { id: user.inviter_id }) : ""];
  const told = more.filter((text) => text && text !== user.username);
  return (
    <Group gap={6} wrap="nowrap">
      <Tooltip
        label={told.map((text) => (
          <div key={text}>{text}</div>
        ))}
        disabled={told.length === 0}
      >
        <Text span inherit fw={500} maw={200} truncate tabIndex={told.length ? 0 : undefined}>
          {user.username}
        </Text>
      </Tooltip>
      {user.id === me.id ? (
        <Text span size="xs" c="dimmed">
          ({t("you")})
        </Text>
      ) : null}
      {user.has_totp ? (
        <Tooltip label={t("secondFactor")}>
          <IconShieldCheck size={16} aria-label={t("secondFactor")} color="var(--mantine-color-dimmed)" />
        </Tooltip>
      ) : null}
    </Group>
  );
}

function RoleBadge({ role }: { role: number }) {
  const { t } = useTranslation("users");
  const { key, color } = ROLES.findLast((each) => role >= each.role) ?? ROLES[0];
  return <Badge color={color}>{t(`roles.${key}`)}</Badge>;
}

function StatusBadge({ status }: { status: number }) {
  const { t } = useTranslation(["users", "common"]);
  const [text, color] =
    status === 1
      ? [t("common:enabled"), "teal"]
      : status === 2
        ? [t("common:disabled"), "orange"]
        : [t("deleted"), "gray"];
  return <Badge color={color}>{text}</Badge>;
}

/** What is left, with a bar that says how much that is of all that there was. */
function Left({ user }: { user: User }) {
  const { t } = useTranslation("common");
  if (user.unlimited_quota) {
    return (
      <Text span inherit c="dimmed">
        {t("unlimited")}
      </Text>
    );
  }
  const all = Math.max(0, user.quota) + user.used_quota;
  const part = all > 0 ? Math.max(0, user.quota) / all : 0;
  return (
    <Stack gap={2} align="flex-end">
      <Money quota={user.quota} {...(user.quota <= 0 ? { c: "red" } : {})} />
      <Progress
        value={part * 100}
        size={3}
        w={72}
        color={part < 0.1 ? "red" : part < 0.3 ? "orange" : "teal"}
        aria-label={percent(part)}
      />
    </Stack>
  );
}
