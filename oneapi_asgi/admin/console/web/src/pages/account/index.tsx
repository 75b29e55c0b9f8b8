import { SimpleGrid, Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { Page } from "../../parts/page";
import { AccessToken, Sessions } from "./access";
import { Elsewhere, Invitation, Leave } from "./elsewhere";
import { Email } from "./email";
import { Password, Profile } from "./profile";
import { SecondFactor } from "./second-factor";

export default function Account() {
  const { t } = useTranslation("account");
  return (
    <Page title={t("title")} says={t("says")}>
      <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: "start" }}>
        <Stack>
          <Profile />
          <Email />
          <Elsewhere />
          <Invitation />
          <Leave />
        </Stack>
        <Stack>
          <Password />
          <SecondFactor />
          <Sessions />
          <AccessToken />
        </Stack>
      </SimpleGrid>
    </Page>
  );
}
