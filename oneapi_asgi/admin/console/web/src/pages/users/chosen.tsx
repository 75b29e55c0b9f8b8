import { Button, Group, Paper, Select, Stack, Text } from "@mantine/core";
import { modals } from "@mantine/modals";
import { notifications } from "@mantine/notifications";
import { IconPlayerPlay, IconPlayerStop, IconTrash, IconUsersGroup } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { tellDone } from "../../parts/failed";
import { useGroupNames } from "../../parts/group-names";

type Deed = { action: "enable" | "disable" | "delete" } | { action: "group"; group: string };

/** What can be done to many users at once. */
export function Chosen({ ids, clear }: { ids: number[]; clear: () => void }) {
  const { t } = useTranslation(["users", "common"]);
  const count = ids.length;
  function tell({ changed, refused }: Schemas["BatchDone"]) {
    if (changed > 0) tellDone(t("changed", { count: changed }));
    if (refused.length > 0) {
      const why = [...new Set(refused.map(({ message }) => message))].join(" ");
      notifications.show({ color: "orange", message: t("refused", { count: refused.length, why }), autoClose: 10_000 });
    }
    clear();
  }
  const act = useAct((deed: Deed) => ask(() => api.POST("/user/batch", { body: { ids, ...deed } })), {
    renews: [["users"]],
    after: tell,
  });
  async function remove() {
    const sure = { title: t("deleteMany", { count }), says: t("deleteManySays"), yes: t("common:delete") };
    if (await confirmed(sure)) act.mutate({ action: "delete" });
  }
  function move() {
    const id = modals.open({
      title: t("moveTitle"),
      children: (
        <Move
          to={(group) => {
            modals.close(id);
            act.mutate({ action: "group", group });
          }}
        />
      ),
    });
  }
  return (
    <Paper withBorder p="xs" px="md" role="toolbar" aria-label={t("common:actions")}>
      <Group gap="xs">
        <Text size="sm" fw={500} mr="xs">
          {t("chosen", { count })}
        </Text>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlayerPlay size={14} />}
          onClick={() => act.mutate({ action: "enable" })}
        >
          {t("common:enable")}
        </Button>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlayerStop size={14} />}
          onClick={() => act.mutate({ action: "disable" })}
        >
          {t("common:disable")}
        </Button>
        <Button size="xs" variant="default" leftSection={<IconUsersGroup size={14} />} onClick={move}>
          {t("move")}
        </Button>
        <Button size="xs" color="red" variant="light" leftSection={<IconTrash size={14} />} onClick={remove}>
          {t("common:delete")}
        </Button>
      </Group>
    </Paper>
  );
}

function Move({ to }: { to: (group: string) => void }) {
  const { t } = useTranslation(["users", "common"]);
  const [group, setGroup] = useState<string | null>("default");
  const groups = useGroupNames();
  function submit(event: FormEvent) {
    event.preventDefault();
    if (group) to(group);
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        <Select label={t("group")} data={groups} value={group} onChange={setGroup} searchable data-autofocus />
        <Button type="submit" disabled={!group}>
          {t("move")}
        </Button>
      </Stack>
    </form>
  );
}
