import { ActionIcon, Alert, Badge, Button, Group, Stack, Text, Tooltip } from "@mantine/core";
import { IconLogout } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { Snippet } from "../../parts/copy";
import { Failed } from "../../parts/failed";
import { Moment } from "../../parts/moment";
import { Part } from "./part";

/** The token by which scripts use the administration, as the user. */
export function AccessToken() {
  const { t } = useTranslation("account");
  const make = useAct(() => ask(() => api.POST("/user/token")));
  const take = useAct(() => ask(() => api.DELETE("/user/token")), {
    done: t("accessTaken"),
    after: () => make.reset(),
  });
  async function takeIfSure() {
    const sure = await confirmed({ title: t("accessTakeTitle"), says: t("accessReplaces"), yes: t("accessTake") });
    if (sure) take.mutate();
  }
  async function makeIfSure() {
    const sure = await confirmed({ title: t("accessTitle"), says: t("accessReplaces"), yes: t("accessMake") });
    if (sure) make.mutate();
  }
  return (
    <Part title={t("access")} says={t("accessSays")}>
      {make.data ? (
        <Alert color="orange" title={t("accessOnce")}>
          <Snippet value={make.data} what={t("access")} />
        </Alert>
      ) : null}
      <Group justify="flex-end">
        <Button variant="default" loading={take.isPending} onClick={() => void takeIfSure()}>
          {t("accessTake")}
        </Button>
        <Button loading={make.isPending} onClick={() => void makeIfSure()}>
          {t("accessMake")}
        </Button>
      </Group>
    </Part>
  );
}

/** Where the user is signed in. */
export function Sessions() {
  const { t } = useTranslation("account");
  const sessions = useQuery({ queryKey: ["sessions"], queryFn: () => ask(() => api.GET("/user/session")) });
  const renews = [["sessions"]];
  const others = useAct(() => ask(() => api.DELETE("/user/session")), {
    renews,
    done: (count) => t("sessionsEnded", { count }),
  });
  const rows = sessions.data ?? [];
  return (
    <Part title={t("sessions")} says={t("sessionsSay")}>
      {sessions.error ? <Failed error={sessions.error} again={sessions.refetch} /> : null}
      <Stack gap={0}>
        {rows.map((session) => (
          <SessionLine key={session.key} session={session} />
        ))}
      </Stack>
      {rows.length > 1 ? (
        <Group justify="flex-end">
          <Button variant="default" loading={others.isPending} onClick={() => others.mutate()}>
            {t("sessionsEnd")}
          </Button>
        </Group>
      ) : null}
    </Part>
  );
}

function SessionLine({ session }: { session: Schemas["SessionRow"] }) {
  const { t } = useTranslation("account");
  const { key, agent, address, current, created_time } = session;
  const end = useAct(() => ask(() => api.DELETE("/user/session/{key}", { params: { path: { key } } })), {
    renews: [["sessions"]],
  });
  return (
    <Group justify="space-between" wrap="nowrap" py={6}>
      <div style={{ minWidth: 0 }}>
        <Text size="sm" truncate title={agent}>
          {agent || t("sessionUnknown")}
        </Text>
        <Text size="xs" c="dimmed">
          {address} · {t("sessionSince")} <Moment at={created_time} ago />
        </Text>
      </div>
      {current ? (
        <Badge variant="light" miw="max-content">
          {t("sessionThis")}
        </Badge>
      ) : (
        <Tooltip label={t("sessionEnd")}>
          <ActionIcon onClick={() => end.mutate()} loading={end.isPending} aria-label={`${t("sessionEnd")}: ${agent}`}>
            <IconLogout size={16} />
          </ActionIcon>
        </Tooltip>
      )}
    </Group>
  );
}
