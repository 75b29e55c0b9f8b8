import { Button, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, Redirect } from "wouter";

import { api, list } from "../../api";
import { useIsAdmin } from "../../session";

const LATER = "setup-later";

/** Leads administrators to the setup while there is no channel at all; whoever has said "later" is only reminded. */
export function SetupHint() {
  const admin = useIsAdmin();
  return admin ? <Hint /> : null;
}

function Hint() {
  const { t } = useTranslation("setup");
  const channels = useQuery({
    queryKey: ["channels", "any"],
    queryFn: () => list(() => api.GET("/channel", { params: { query: { page_size: 1 } } })),
  });
  if (channels.data?.total !== 0) return null;
  if (sessionStorage.getItem(LATER) === null) {
    sessionStorage.setItem(LATER, "1");
    return <Redirect to="/setup" />;
  }
  return (
    <Group className="panel padded" mb="lg" justify="space-between">
      <Text>{t("hint")}</Text>
      <Button component={Link} href="/setup">
        {t("title")}
      </Button>
    </Group>
  );
}
