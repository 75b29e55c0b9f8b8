import { Group, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

import { useMe, useStatus } from "../session";

interface Props {
  title: string;
  says?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: its title, a line on what it is for, what can be done, and what there is. */
export function Page({ title, says, actions, children }: Props) {
  const site = useStatus().data?.system_name || "oneapi_asgi";
  useMe(); // with each page it is asked for anew what is left of a balance
  useDocumentTitle(`${title} · ${site}`);
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-end" gap="sm">
        <div>
          <Title order={1} size="h2">
            {title}
          </Title>
          {says ? (
            <Text c="dimmed" size="sm" mt={2}>
              {says}
            </Text>
          ) : null}
        </div>
        {actions ? <Group gap="xs">{actions}</Group> : null}
      </Group>
      {children}
    </Stack>
  );
}
