import { Box, Button, Group, Menu, Progress, Text } from "@mantine/core";
import { IconChevronDown, IconDotsVertical, IconRefreshDot, IconTestPipe, IconTrash } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { tellDone } from "../../parts/failed";

type Scope = "all" | "enabled" | "disabled";

const SCOPES: readonly Scope[] = ["all", "enabled", "disabled"];
const STATE = ["round", "test"];

function useRound() {
  return useQuery({
    queryKey: STATE,
    queryFn: () => ask(() => api.GET("/channel/test/state")),
    refetchInterval: ({ state }) => (state.data?.running ? 1000 : false),
  }).data;
}

/** What concerns all channels: tests and balances in the background, and those that are off. */
export function Rounds() {
  const { t } = useTranslation(["channels", "common"]);
  const queries = useQueryClient();
  const running = useRound()?.running ?? false;
  const test = useAct((scope: Scope) => ask(() => api.POST("/channel/test", { params: { query: { scope } } })), {
    after: (row) => queries.setQueryData(STATE, row),
  });
  const balances = useAct(() => ask(() => api.POST("/channel/update_balance")), {
    done: t("round.balancesBegun"),
  });
  const remove = useAct(() => ask(() => api.DELETE("/channel/disabled")), {
    renews: [["channels"]],
    done: (count) => t("batch.deleted", { count }),
  });
  async function removeOff() {
    if (await confirmed({ title: t("deleteOff"), says: t("deleteOffSays"), yes: t("common:delete") })) remove.mutate();
  }
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            variant="default"
            leftSection={<IconTestPipe size={16} />}
            rightSection={<IconChevronDown size={14} />}
            loading={test.isPending}
            disabled={running}
          >
            {t("round.menu")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label maw={260}>{t("round.says")}</Menu.Label>
          {SCOPES.map((scope) => (
            <Menu.Item key={scope} onClick={() => test.mutate(scope)}>
              {t(`round.${scope}`)}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" px="xs" aria-label={t("more")}>
            <IconDotsVertical size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconRefreshDot size={16} />} onClick={() => balances.mutate()}>
            {t("round.balances")}
          </Menu.Item>
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => void removeOff()}>
            {t("deleteOff")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}

/** How a test of many stands, while one is under way; says once how it ended. */
export function RoundState() {
  const { t } = useTranslation("channels");
  const queries = useQueryClient();
  const round = useRound();
  const seen = useRef(false);
  useEffect(() => {
    if (round?.running) {
      seen.current = true;
    } else if (round && seen.current) {
      seen.current = false;
      tellDone(t("round.ended", { total: round.total, failed: round.failed }));
      void queries.invalidateQueries({ queryKey: ["channels"] });
    }
  }, [round, queries, t]);
  if (!round?.running) return null;
  const { done, total, failed } = round;
  return (
    <Box component="output" display="block" className="panel padded">
      <Group justify="space-between" mb={6}>
        <Text size="sm" fw={500}>
          {t("round.running", { done, total })}
        </Text>
        {failed ? <Text size="sm">{t("round.failed", { count: failed })}</Text> : null}
      </Group>
      <Progress value={total ? (done / total) * 100 : 100} aria-label={t("round.menu")} animated />
    </Box>
  );
}
