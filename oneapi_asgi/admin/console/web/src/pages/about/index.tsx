import { Anchor, Box } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { Empty } from "../../parts/empty";
import { Failed } from "../../parts/failed";
import { Markdown } from "../../parts/markdown";
import { Page } from "../../parts/page";
import { useIsRoot, useMe } from "../../session";
import { Frame } from "../sign-in/frame";
import { Back } from "../sign-in/register";

/** What root has written of this site, as Markdown; an address alone is a link. */
export default function About() {
  const { t } = useTranslation("about");
  const me = useMe();
  return me.data ? (
    <Page title={t("title")}>
      <div className="panel padded">
        <Written empty={<Nothing />} />
      </div>
    </Page>
  ) : (
    <Frame title={t("title")} below={<Back />}>
      <Written empty={t("empty")} />
    </Frame>
  );
}

function Written({ empty }: { empty: ReactNode }) {
  const { data, error, refetch } = useQuery({ queryKey: ["about"], queryFn: () => ask(() => api.GET("/about")) });
  if (error) return <Failed error={error} again={refetch} />;
  if (data === undefined) return null;
  if (data.trim() === "") return <Box>{empty}</Box>;
  if (/^https:\/\/\S+$/.test(data.trim())) {
    return (
      <Anchor href={data.trim()} target="_blank" rel="noopener noreferrer nofollow">
        {data.trim()}
      </Anchor>
    );
  }
  return <Markdown text={data} />;
}

function Nothing() {
  const { t } = useTranslation("about");
  return (
    <Empty icon={<IconInfoCircle />} title={t("empty")}>
      {useIsRoot() ? t("emptyRoot") : null}
    </Empty>
  );
}
