import { Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** A part of a long form. */
export function Section({ title, says, children }: { title: string; says?: string; children: ReactNode }) {
  return (
    <section className="panel padded">
      <Title order={2} size="h4">
        {title}
      </Title>
      {says ? (
        <Text size="sm" c="dimmed" mt={2}>
          {says}
        </Text>
      ) : null}
      <Stack mt="md">{children}</Stack>
    </section>
  );
}
