import { Group, Menu, Text, UnstyledButton } from "@mantine/core";
import { IconCoin, IconInfoCircle, IconLogout, IconUser } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { useAct } from "../parts/act";
import { Money } from "../parts/money";
import { mayLeave } from "../parts/unsaved";
import { signOut, useUser } from "../session";

export function UserMenu() {
  const { t } = useTranslation();
  const user = useUser();
  const name = user.display_name || user.username;
  const out = useAct(signOut);
  async function leave() {
    if (await mayLeave()) out.mutate();
  }
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <UnstyledButton aria-label={t("menu.user", { name })} p={4}>
          <Group gap="xs" wrap="nowrap">
            <span className="initial" data-initial={[...name][0]?.toUpperCase()} aria-hidden />
            <Text size="sm" visibleFrom="sm" maw={160} truncate>
              {name}
            </Text>
          </Group>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {t("balance")}: {user.unlimited_quota ? t("unlimited") : <Money quota={user.quota} />}
        </Menu.Label>
        <Menu.Item component={Link} href="/account" leftSection={<IconUser size={16} />}>
          {t("menu.account")}
        </Menu.Item>
        <Menu.Item component={Link} href="/topup" leftSection={<IconCoin size={16} />}>
          {t("menu.topup")}
        </Menu.Item>
        <Menu.Item component={Link} href="/about" leftSection={<IconInfoCircle size={16} />}>
          {t("menu.about")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave()}>
          {t("signOut")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
