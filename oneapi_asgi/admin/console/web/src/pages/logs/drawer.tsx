import { Drawer, Group, Skeleton, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { Failed } from "../../parts/failed";
import { Attempts } from "./attempts";
import { Bill } from "./bill";
import { CallFacts, UsageParts } from "./facts";
import { Outcome } from "./outcome";

/** One call, whole: who, when, whom it was put to, what was used, and how its price comes about. */
export function CallDrawer({ request, close }: { request: string; close: () => void }) {
  const { t } = useTranslation("logs");
  return (
    <Drawer
      opened={request !== ""}
      onClose={close}
      position="right"
      size="lg"
      title={t("detail.title")}
      closeButtonProps={{ "aria-label": t("close", { ns: "common" }) }}
    >
      {request ? <Detail request={request} /> : null}
    </Drawer>
  );
}

function Detail({ request }: { request: string }) {
  const { t } = useTranslation("logs");
  const { data, error, refetch } = useQuery({
    queryKey: ["log", "call", request],
    queryFn: () => ask(() => api.GET("/log/call/{request}", { params: { path: { request } } })),
    staleTime: 60_000,
  });
  if (error) return <Failed error={error} again={refetch} />;
  if (!data) return <Skeleton height={320} />;
  return (
    <Stack gap="lg">
      <Group gap="xs">
        <Text fw={650} fz="lg" className="anywhere">
          {data.model || t("noModel")}
        </Text>
        <Outcome status={data.status} reason={data.reason} />
      </Group>
      <CallFacts call={data} />
      <Attempts call={data} />
      <UsageParts call={data} />
      <Bill call={data} />
    </Stack>
  );
}
