import { Button } from "@mantine/core";
import { IconMapQuestion } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { Empty } from "../parts/empty";
import { Page } from "../parts/page";

export function Unknown() {
  const { t } = useTranslation();
  return (
    <Page title={t("unknown.title")}>
      <Empty
        icon={<IconMapQuestion />}
        title={t("unknown.says")}
        action={
          <Button component={Link} href="/" variant="light">
            {t("unknown.back")}
          </Button>
        }
      />
    </Page>
  );
}
