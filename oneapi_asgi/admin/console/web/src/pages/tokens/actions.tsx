import { ActionIcon, Group, Menu, Tooltip } from "@mantine/core";
import { IconBan, IconCircleCheck, IconDots, IconPencil, IconRefresh, IconTrash } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";

type Token = Schemas["TokenRow"];

const DISABLED = 2;

interface Props {
  token: Token;
  onEdit: () => void;
  onMade: (token: Token) => void;
}

/** What can be done with one's own token. */
export function Actions({ token, onEdit, onMade }: Props) {
  const { t } = useTranslation(["tokens", "common"]);
  const { id, name } = token;
  const renews = [["token"]];
  const rotate = useAct(() => ask(() => api.POST("/token/{id}/rotate", { params: { path: { id } } })), {
    renews,
    after: onMade,
  });
  const remove = useAct(() => ask(() => api.DELETE("/token/{id}", { params: { path: { id } } })), {
    renews,
    done: t("deleted", { name }),
  });
  const off = token.status === DISABLED;
  const toggle = useAct(
    () =>
      ask(() =>
        api.PUT("/token", { params: { query: { status_only: "1" } }, body: { id, status: off ? 1 : DISABLED } }),
      ),
    { renews },
  );
  async function rotateIfSure() {
    const sure = await confirmed({ title: t("rotate.title", { name }), says: t("rotate.says"), yes: t("rotate.yes") });
    if (sure) rotate.mutate();
  }
  async function removeIfSure() {
    const sure = await confirmed({
      title: t("delete.title", { name }),
      says: t("delete.says"),
      yes: t("common:delete"),
    });
    if (sure) remove.mutate();
  }
  return (
    <Group gap={2} wrap="nowrap" justify="flex-end">
      <Tooltip label={t("common:edit")}>
        <ActionIcon onClick={onEdit} aria-label={`${t("common:edit")}: ${name}`}>
          <IconPencil size={16} />
        </ActionIcon>
      </Tooltip>
      <Menu position="bottom-end">
        <Menu.Target>
          <Tooltip label={t("common:actions")}>
            <ActionIcon aria-label={`${t("common:actions")}: ${name}`}>
              <IconDots size={16} />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={off ? <IconCircleCheck size={16} /> : <IconBan size={16} />}
            onClick={() => toggle.mutate()}
          >
            {off ? t("common:enable") : t("common:disable")}
          </Menu.Item>
          <Menu.Item leftSection={<IconRefresh size={16} />} onClick={() => void rotateIfSure()}>
            {t("rotate.yes")}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => void removeIfSure()}>
            {t("common:delete")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
