import { ActionIcon, Box, Group, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { useCopying } from "./copying";

/** A button that copies `value`; `what` says so to who cannot see it. */
export function Copy({ value, what }: { value: string; what?: string }) {
  const { t } = useTranslation();
  const { copied, copy } = useCopying();
  return (
    <Tooltip label={copied ? t("copied") : t("copy")}>
      <ActionIcon
        variant="subtle"
        color={copied ? "teal" : "gray"}
        onClick={() => copy(value)}
        aria-label={what ? `${t("copy")}: ${what}` : t("copy")}
      >
        {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
      </ActionIcon>
    </Tooltip>
  );
}

/** A text to be copied, such as a key or a command, whole in view. */
export function Snippet({ value, what }: { value: string; what?: string }) {
  return (
    <Group gap={0} wrap="nowrap" align="flex-start" className="snippet">
      <Box component="pre" flex={1} tabIndex={0} aria-label={what}>
        {value}
      </Box>
      <Copy value={value} {...(what ? { what } : {})} />
    </Group>
  );
}
