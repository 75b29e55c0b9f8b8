import { AppShell, Box, Burger, Group, NavLink, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";

import { SetupHint } from "../pages/setup/hint";
import { MENU } from "../routes";
import { useStatus, useUser } from "../session";
import { Brand } from "./brand";
import { Choices } from "./choices";
import { Footer } from "./footer";
import { Notice } from "./notice";
import { UserMenu } from "./user-menu";

/** What is around every page: the menu, who is signed in, theme and language. */
export function Shell({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const [open, { toggle, close }] = useDisclosure(false);
  const status = useStatus().data;
  const [location] = useLocation();
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 232, breakpoint: "sm", collapsed: { mobile: !open } }}
      padding={{ base: "md", sm: "xl" }}
    >
      <a href="#main" className="skip">
        {t("skip")}
      </a>
      <AppShell.Header bg="var(--panel)">
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger
              opened={open}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={t("menu.toggle")}
              aria-expanded={open}
            />
            <Brand />
          </Group>
          <Group gap={4} wrap="nowrap">
            <Choices />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar bg="var(--panel)" p="xs" aria-label={t("menu.label")}>
        <AppShell.Section grow component={ScrollArea}>
          <Menu onGo={close} />
        </AppShell.Section>
        <AppShell.Section px="sm" py="xs">
          <Text size="xs" c="dimmed">
            {status ? `oneapi_asgi ${status.version}` : " "}
          </Text>
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <Box maw={1440} mx="auto">
          <Notice />
          {location === "/" ? <SetupHint /> : null}
          {children}
          <Footer />
        </Box>
      </AppShell.Main>
    </AppShell>
  );
}

function Menu({ onGo }: { onGo: () => void }) {
  const { t } = useTranslation();
  const [location] = useLocation();
  const { role } = useUser();
  return MENU.map((part) => {
    const items = part.items.filter((item) => role >= item.role);
    if (items.length === 0) return null;
    return (
      <Box key={part.key} mb="sm">
        <Text size="xs" fw={600} c="dimmed" px="sm" py={6}>
          {t(`menu.${part.key}`)}
        </Text>
        {items.map(({ key, path, icon: Icon }) => (
          <NavLink
            key={key}
            component={Link}
            href={path}
            label={t(`menu.${key}`)}
            leftSection={<Icon size={18} stroke={1.6} aria-hidden />}
            active={path === "/" ? location === "/" : location === path || location.startsWith(`${path}/`)}
            aria-current={location === path ? "page" : undefined}
            onClick={onGo}
            className="item"
          />
        ))}
      </Box>
    );
  });
}
