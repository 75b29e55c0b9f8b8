import { Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** One concern of an account. */
export function Part({ title, says, children }: { title: string; says?: ReactNode; children: ReactNode }) {
  return (
    <section className="panel padded">
      <Stack gap="sm">
        <div>
          <Title order={2} size="h5">
            {title}
          </Title>
          {says ? (
            <Text size="sm" c="dimmed">
              {says}
            </Text>
          ) : null}
        </div>
        {children}
      </Stack>
    </section>
  );
}
