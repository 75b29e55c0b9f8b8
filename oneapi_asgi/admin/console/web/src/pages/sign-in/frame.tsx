import { Box, Center, Container, Group, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

import { useStatus } from "../../session";
import { Brand } from "../../shell/brand";
import { Choices } from "../../shell/choices";
import { Footer } from "../../shell/footer";

/** Around the pages of those who have not signed in. */
export function Frame({
  title,
  says,
  children,
  below,
}: {
  title: string;
  says?: string;
  children: ReactNode;
  below?: ReactNode;
}) {
  const site = useStatus().data?.system_name || "oneapi_asgi";
  useDocumentTitle(`${title} · ${site}`);
  return (
    <Box mih="100vh" component="main">
      <Group justify="space-between" p="md">
        <Brand />
        <Group gap={4}>
          <Choices />
        </Group>
      </Group>
      <Center mih="70vh">
        <Container size={420} w="100%">
          <div className="panel padded">
            <Stack>
              <div>
                <Title order={1} size="h3">
                  {title}
                </Title>
                {says ? (
                  <Text size="sm" c="dimmed" mt={4}>
                    {says}
                  </Text>
                ) : null}
              </div>
              {children}
            </Stack>
          </div>
          {below ? (
            <Center mt="md" fz="sm">
              {below}
            </Center>
          ) : null}
          <Footer />
        </Container>
      </Center>
    </Box>
  );
}
