import { ActionIcon, Menu, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconLanguage, IconMoon, IconSun } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { choose } from "../i18n";

/** Theme and language. */
export function Choices() {
  const { t } = useTranslation();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  return (
    <>
      <Tooltip label={t(dark ? "theme.light" : "theme.dark")}>
        <ActionIcon
          size="lg"
          aria-label={t(dark ? "theme.light" : "theme.dark")}
          onClick={() => setColorScheme(dark ? "light" : "dark")}
        >
          {dark ? <IconSun size={18} /> : <IconMoon size={18} />}
        </ActionIcon>
      </Tooltip>
      <Menu>
        <Menu.Target>
          <ActionIcon size="lg" aria-label="Language / 语言">
            <IconLanguage size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item lang="en" onClick={() => void choose("en")}>
            English
          </Menu.Item>
          <Menu.Item lang="zh-CN" onClick={() => void choose("zh")}>
            中文
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
