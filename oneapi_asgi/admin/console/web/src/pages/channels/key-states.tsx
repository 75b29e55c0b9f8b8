import { ActionIcon, Badge, Button, Group, Modal, Stack, Switch, Table, Text, Tooltip } from "@mantine/core";
import { IconEye, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { Snippet } from "../../parts/copy";
import { useIsRoot } from "../../session";
import { type Channel, NO_KEYS_EDIT } from "./data";

type Deed = Partial<Pick<Schemas["KeysEdit"], "enable" | "disable" | "remove">>;

/** The keys that a channel has: their ends, whether they are in use, and why not. */
export function KeyStates({ channel }: { channel: Channel }) {
  const { t } = useTranslation(["channels", "common"]);
  const root = useIsRoot();
  const path = { params: { path: { id: channel.id } } };
  const [shown, setShown] = useState<readonly Schemas["KeyRow"][] | null>(null);
  const change = useAct(
    (deed: Deed) =>
      ask(() =>
        api.PUT("/channel/{id}/keys", { ...path, body: { ...NO_KEYS_EDIT, count: channel.key_count, ...deed } }),
      ),
    { renews: [["channels"], ["health"]], done: t("common:saved") },
  );
  const show = useAct(() => ask(() => api.POST("/channel/{id}/keys", path)), { after: setShown });
  async function remove(index: number) {
    const title = t("keys.remove", { number: index + 1 });
    if (await confirmed({ title, says: t("keys.removeSays"), yes: t("common:delete") })) {
      change.mutate({ remove: [index] });
    }
  }
  if (channel.key_count === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t("keys.none")}
      </Text>
    );
  }
  return (
    <Stack gap="xs">
      <Table.ScrollContainer minWidth={300} mah={320} type="native">
        <Table aria-label={t("keys.title")} verticalSpacing={6}>
          <Table.Tbody>
            {channel.key_states.map(({ index, key, status, reason }) => (
              <Table.Tr key={index}>
                <Table.Td className="tight">
                  <Text size="sm" c="dimmed" span>
                    {index + 1}
                  </Text>
                </Table.Td>
                <Table.Td className="mono">{key}</Table.Td>
                <Table.Td>
                  {status === 1 ? (
                    <Badge color="green">{t("keys.on")}</Badge>
                  ) : (
                    <Text size="xs" c="dimmed" className="broken">
                      {reason}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td className="tight">
                  <Group gap="xs" wrap="nowrap" justify="flex-end">
                    <Switch
                      aria-label={t("keys.use", { number: index + 1 })}
                      checked={status === 1}
                      disabled={change.isPending}
                      onChange={() => change.mutate(status === 1 ? { disable: [index] } : { enable: [index] })}
                    />
                    <Tooltip label={t("common:delete")}>
                      <ActionIcon
                        aria-label={t("keys.remove", { number: index + 1 })}
                        disabled={change.isPending}
                        onClick={() => void remove(index)}
                      >
                        <IconTrash size={16} />
                      </ActionIcon>
                    </Tooltip>
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {root ? (
        <Group>
          <Button
            variant="subtle"
            size="compact-sm"
            ml={-8}
            leftSection={<IconEye size={14} />}
            loading={show.isPending}
            onClick={() => show.mutate()}
          >
            {t("keys.show")}
          </Button>
        </Group>
      ) : null}
      <Modal opened={shown !== null} onClose={() => setShown(null)} title={t("keys.title")}>
        <Stack gap="xs">
          {shown?.map(({ index, key }) => (
            <Snippet key={index} value={key} what={t("test.keyNumber", { number: index + 1 })} />
          ))}
        </Stack>
      </Modal>
    </Stack>
  );
}
