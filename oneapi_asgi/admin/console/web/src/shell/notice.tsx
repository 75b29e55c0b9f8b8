import { Alert } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconInfoCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { api, ask } from "../api";
import { Markdown } from "../parts/markdown";

/** What root tells everybody, until it is closed; another text is shown anew. */
export function Notice() {
  const { t } = useTranslation();
  const { data } = useQuery({ queryKey: ["notice"], queryFn: () => ask(() => api.GET("/notice")), staleTime: 300_000 });
  const [closed, setClosed] = useLocalStorage({ key: "notice", defaultValue: "" });
  if (!data || data === closed) return null;
  return (
    <Alert
      mb="lg"
      icon={<IconInfoCircle aria-hidden />}
      title={t("notice")}
      withCloseButton
      closeButtonLabel={t("close")}
      onClose={() => setClosed(data)}
    >
      <Markdown text={data} />
    </Alert>
  );
}
