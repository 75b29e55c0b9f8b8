import { Alert, Anchor, Button, Loader, Paper, Stack, Tabs, Text } from "@mantine/core";
import { IconSend } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { Failed, tellDone } from "../../parts/failed";
import { Page } from "../../parts/page";
import { useFilters } from "../../parts/paging";
import { AllOptions } from "./all";
import { type Option, TABS, useOptions } from "./options";
import { SectionForm } from "./section";

type Tab = keyof typeof TABS;
const NAMES = [...(Object.keys(TABS) as Tab[]), "all"] as const;

export default function Settings() {
  const { t } = useTranslation("settings");
  const [{ tab }, setFilters] = useFilters(["tab", "keyword"]);
  const options = useOptions();
  const shown = NAMES.find((name) => name === tab) ?? "general";
  return (
    <Page title={t("title")} says={t("says")}>
      <Tabs value={shown} onChange={(next) => setFilters({ tab: next ?? "", keyword: "" })} keepMounted={false}>
        <Tabs.List mb="lg" aria-label={t("title")}>
          {NAMES.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {t(`tab.${name}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {options.isError ? <Failed error={options.error} again={options.refetch} /> : null}
        <Tabs.Panel value={shown}>
          {options.data ? <Shown tab={shown} options={options.data} /> : options.isPending ? <Loader /> : null}
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Shown({ tab, options }: { tab: (typeof NAMES)[number]; options: ReadonlyMap<string, Option> }) {
  const { t } = useTranslation("settings");
  if (tab === "all") return <AllOptions options={options} />;
  return (
    <Stack maw={760}>
      {TABS[tab].map((section) => (
        <SectionForm key={section.key} section={section} options={options} />
      ))}
      {tab === "money" ? (
        <Text size="sm">
          {t("ratios")}{" "}
          <Anchor component={Link} href="/prices?of=all" inherit underline="always">
            {t("prices")}
          </Anchor>
          {" · "}
          <Anchor component={Link} href="/groups" inherit underline="always">
            {t("groups")}
          </Anchor>
        </Text>
      ) : null}
      {tab === "mail" || tab === "monitoring" ? <TestAlert /> : null}
      {tab === "monitoring" ? <Alert variant="light">{t("elsewhere")}</Alert> : null}
    </Stack>
  );
}

function TestAlert() {
  const { t } = useTranslation("settings");
  const test = useAct(() => ask(() => api.POST("/alert/test")), {
    after: ({ email, webhook }) => tellDone(t("tested", { email: became(email), webhook: became(webhook) })),
  });
  function became(what: string): string {
    return what === "sent" || what === "failed" || what === "off" ? t(`became.${what}`) : what;
  }
  return (
    <Paper withBorder p="lg" className="panel">
      <Button
        variant="default"
        leftSection={<IconSend size={16} />}
        loading={test.isPending}
        onClick={() => test.mutate()}
      >
        {t("test")}
      </Button>
      <Text size="sm" c="dimmed" mt="xs">
        {t("testSays")}
      </Text>
    </Paper>
  );
}
