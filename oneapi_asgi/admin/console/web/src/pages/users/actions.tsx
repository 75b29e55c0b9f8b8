import { ActionIcon, Group, Menu, Tooltip } from "@mantine/core";
import {
  IconArrowDown,
  IconArrowUp,
  IconCoin,
  IconDotsVertical,
  IconEdit,
  IconKey,
  IconList,
  IconLogout,
  IconPlayerPlay,
  IconPlayerStop,
  IconShieldOff,
  IconTrash,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { confirmedByName } from "../../parts/confirm-name";
import { tellDone } from "../../parts/failed";
import { ADMIN, COMMON, ROOT, type User, useUser } from "../../session";

type Deed = "disable" | "enable" | "promote" | "demote";

interface Props {
  user: User;
  edit: (user: User) => void;
  topUp: (user: User) => void;
}

/** What may be done to a user; nothing to one whose role is not below one's own, unless one is root. */
export function Actions({ user, edit, topUp }: Props) {
  const { t } = useTranslation(["users", "common"]);
  const me = useUser();
  const name = user.username;
  const reached = user.status !== 3 && (me.role >= ROOT || user.role < me.role);
  if (!reached) return <More user={user} reached={false} />;
  return (
    <Group gap={2} wrap="nowrap" justify="flex-end">
      <Tooltip label={t("common:edit")}>
        <ActionIcon onClick={() => edit(user)} aria-label={`${t("common:edit")} ${t("of", { name })}`}>
          <IconEdit size={16} />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={t("topup")}>
        <ActionIcon onClick={() => topUp(user)} aria-label={`${t("topup")} ${t("of", { name })}`}>
          <IconCoin size={16} />
        </ActionIcon>
      </Tooltip>
      <More user={user} reached />
    </Group>
  );
}

function More({ user, reached }: { user: User; reached: boolean }) {
  const { t } = useTranslation(["users", "common"]);
  const name = user.username;
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <ActionIcon aria-label={`${t("common:actions")} ${t("of", { name })}`}>
          <IconDotsVertical size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          component={Link}
          href={`/logs?username=${encodeURIComponent(name)}`}
          leftSection={<IconList size={16} />}
        >
          {t("logs")}
        </Menu.Item>
        <Menu.Item component={Link} href={`/tokens?all=1&user=${user.id}`} leftSection={<IconKey size={16} />}>
          {t("tokens")}
        </Menu.Item>
        {reached ? <Deeds user={user} /> : null}
      </Menu.Dropdown>
    </Menu>
  );
}

function Deeds({ user }: { user: User }) {
  const { t } = useTranslation(["users", "common"]);
  const me = useUser();
  const { id, username: name } = user;
  const renews = [["users"]];
  const manage = useAct((action: Deed) => ask(() => api.POST("/user/manage", { body: { id, action } })), { renews });
  const remove = useAct(() => ask(() => api.DELETE("/user/{id}", { params: { path: { id } } })), {
    renews,
    done: t("deletedOne", { name }),
  });
  const end = useAct(() => ask(() => api.DELETE("/user/{id}/session", { params: { path: { id } } })), {
    after: (count) => tellDone(t("ended", { count })),
  });
  const takeFactor = useAct(() => ask(() => api.DELETE("/user/{id}/2fa", { params: { path: { id } } })), {
    renews,
    done: t("common:done"),
  });
  async function sure(what: "promote" | "demote" | "endSessions" | "takeFactor", then: () => void) {
    if (await confirmed({ title: t(`${what}Title`, { name }), says: t(`${what}Says`, { name }), yes: t(what) })) then();
  }
  async function gone() {
    const question = { title: t("deleteTitle", { name }), says: t("deleteSays", { name }), yes: t("common:delete") };
    if (await confirmedByName({ ...question, name })) remove.mutate();
  }
  const other = id !== me.id;
  return (
    <>
      <Menu.Divider />
      {other ? (
        user.status === 1 ? (
          <Menu.Item leftSection={<IconPlayerStop size={16} />} onClick={() => manage.mutate("disable")}>
            {t("common:disable")}
          </Menu.Item>
        ) : (
          <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => manage.mutate("enable")}>
            {t("common:enable")}
          </Menu.Item>
        )
      ) : null}
      {other && me.role >= ROOT && user.role === COMMON ? (
        <Menu.Item
          leftSection={<IconArrowUp size={16} />}
          onClick={() => sure("promote", () => manage.mutate("promote"))}
        >
          {t("promote")}
        </Menu.Item>
      ) : null}
      {other && user.role === ADMIN ? (
        <Menu.Item
          leftSection={<IconArrowDown size={16} />}
          onClick={() => sure("demote", () => manage.mutate("demote"))}
        >
          {t("demote")}
        </Menu.Item>
      ) : null}
      <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => sure("endSessions", () => end.mutate())}>
        {t("endSessions")}
      </Menu.Item>
      {user.has_totp && other ? (
        <Menu.Item
          leftSection={<IconShieldOff size={16} />}
          onClick={() => sure("takeFactor", () => takeFactor.mutate())}
        >
          {t("takeFactor")}
        </Menu.Item>
      ) : null}
      {other ? (
        <>
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={gone}>
            {t("common:delete")}
          </Menu.Item>
        </>
      ) : null}
    </>
  );
}
