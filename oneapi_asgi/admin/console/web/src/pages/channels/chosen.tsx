import { Button, Group, Paper, Text } from "@mantine/core";
import { IconPencil, IconPlayerPause, IconPlayerPlay, IconTestPipe, IconTrash, IconX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { tellDone, tellFailure } from "../../parts/failed";
import { EditMany } from "./edit-many";

type Action = "enable" | "disable" | "delete";

/** What can be done with many channels at once. */
export function Chosen({ ids, clear }: { ids: number[]; clear: () => void }) {
  const { t } = useTranslation(["channels", "common"]);
  const [edited, setEdited] = useState<number[] | null>(null); // the same ones until it ends
  const count = ids.length;
  const act = useAct((action: Action) => ask(() => api.POST("/channel/batch", { body: { ids, action } })), {
    renews: [["channels"], ["health"]],
  });
  function all(action: Action) {
    act.mutate(action, {
      onSuccess: (done) => {
        tellDone(t(action === "delete" ? "batch.deleted" : "batch.changed", { count: done }));
        clear();
      },
    });
  }
  async function remove() {
    const sure = { title: t("batch.delete", { count }), says: t("batch.deleteSays"), yes: t("common:delete") };
    if (await confirmed(sure)) all("delete");
  }
  const button = { size: "xs", variant: "default", disabled: act.isPending } as const;
  return (
    <Paper withBorder p="xs" px="md" bg="var(--panel)" role="toolbar" aria-label={t("common:actions")}>
      <Group gap="xs">
        <Text size="sm" fw={500} mr="xs">
          {t("batch.chosen", { count })}
        </Text>
        <Button {...button} leftSection={<IconPlayerPlay size={14} />} onClick={() => all("enable")}>
          {t("common:enable")}
        </Button>
        <Button {...button} leftSection={<IconPlayerPause size={14} />} onClick={() => all("disable")}>
          {t("common:disable")}
        </Button>
        <Button {...button} leftSection={<IconPencil size={14} />} onClick={() => setEdited(ids)}>
          {t("batch.edit")}
        </Button>
        <TestMany ids={ids} />
        <Button {...button} variant="light" color="red" leftSection={<IconTrash size={14} />} onClick={remove}>
          {t("common:delete")}
        </Button>
        <Button {...button} variant="subtle" color="gray" leftSection={<IconX size={14} />} onClick={clear}>
          {t("batch.clear")}
        </Button>
      </Group>
      {edited ? <EditMany ids={edited} close={() => setEdited(null)} done={clear} /> : null}
    </Paper>
  );
}

/** One after another, so that it can be stopped. */
function TestMany({ ids }: { ids: number[] }) {
  const { t } = useTranslation("channels");
  const queries = useQueryClient();
  const [done, setDone] = useState<number | null>(null);
  const run = useRef<AbortController | null>(null);
  useEffect(() => () => run.current?.abort(), []);
  async function test() {
    const { signal } = (run.current = new AbortController());
    const outcomes: boolean[] = [];
    try {
      for (const id of ids) {
        setDone(outcomes.length);
        // eslint-disable-next-line no-await-in-loop
        const row = await ask(() => api.POST("/channel/test/{id}", { params: { path: { id } }, signal }));
        outcomes.push(row.served);
      }
    } catch (error) {
      if (!signal.aborted) tellFailure(error);
    }
    setDone(null);
    await queries.invalidateQueries({ queryKey: ["channels"] });
    const served = outcomes.filter(Boolean).length;
    const count = outcomes.length;
    if (count > 0) tellDone(t("batch.tested", { count, served, failed: count - served }));
  }
  const running = done !== null;
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<IconTestPipe size={14} />}
        disabled={running}
        onClick={() => void test()}
      >
        {running ? t("batch.testing", { done, total: ids.length }) : t("batch.test")}
      </Button>
      {running ? (
        <Button size="xs" variant="default" onClick={() => run.current?.abort()}>
          {t("batch.stop")}
        </Button>
      ) : null}
    </>
  );
}
