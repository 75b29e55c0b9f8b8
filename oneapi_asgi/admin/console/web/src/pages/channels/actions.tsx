import { ActionIcon, Group, Menu, Tooltip } from "@mantine/core";
import {
  IconCopyPlus,
  IconDotsVertical,
  IconPencil,
  IconPlayerPause,
  IconPlayerPlay,
  IconTestPipe,
  IconTrash,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { type Channel, DISABLED, ENABLED } from "./data";

const RENEWS = [["channels"], ["health"]];

/** What can be done with one channel. */
export function RowActions({ channel, test }: { channel: Channel; test: () => void }) {
  const { t } = useTranslation(["channels", "common"]);
  const { id, name } = channel;
  const on = channel.status === ENABLED;
  const path = { params: { path: { id } } };
  const toggle = useAct(() => ask(() => api.PUT("/channel", { body: { id, status: on ? DISABLED : ENABLED } })), {
    renews: RENEWS,
  });
  const copy = useAct(() => ask(() => api.POST("/channel/{id}/copy", { ...path, body: { name: "" } })), {
    renews: RENEWS,
    done: (made) => t("copy.done", { name: made.name }),
  });
  const remove = useAct(() => ask(() => api.DELETE("/channel/{id}", path)), {
    renews: RENEWS,
    done: t("deleted", { name }),
  });
  async function askAndRemove() {
    if (await confirmed({ title: t("delete", { name }), says: t("deleteSays"), yes: t("common:delete") })) {
      remove.mutate();
    }
  }
  return (
    <Group gap={2} wrap="nowrap" justify="flex-end">
      <Tooltip label={t("batch.test")}>
        <ActionIcon aria-label={t("test.open", { name })} onClick={test}>
          <IconTestPipe size={18} stroke={1.6} />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={t("common:edit")}>
        <ActionIcon component={Link} href={`/channels/${id}`} aria-label={`${t("common:edit")}: ${name}`}>
          <IconPencil size={18} stroke={1.6} />
        </ActionIcon>
      </Tooltip>
      <Menu position="bottom-end">
        <Menu.Target>
          <Tooltip label={t("more")}>
            <ActionIcon aria-label={t("moreOf", { name })}>
              <IconDotsVertical size={18} stroke={1.6} />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={on ? <IconPlayerPause size={16} /> : <IconPlayerPlay size={16} />}
            onClick={() => toggle.mutate()}
          >
            {on ? t("common:disable") : t("common:enable")}
          </Menu.Item>
          <Menu.Item leftSection={<IconCopyPlus size={16} />} onClick={() => copy.mutate()}>
            {t("copy.make")}
          </Menu.Item>
          <Menu.Item
            color="red"
            leftSection={<IconTrash size={16} />}
            disabled={channel.declared}
            onClick={() => void askAndRemove()}
          >
            {t("common:delete")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
