import { Group, Image, Text } from "@mantine/core";

import { BASE } from "../api";
import { useStatus } from "../session";

/** The site's mark and name. A logo of the site's own has to come from here, or be in the address itself (data:). */
export function Brand() {
  const status = useStatus().data;
  const logo = status?.logo && own(status.logo) ? status.logo : `${BASE}favicon.svg`;
  return (
    <Group gap="xs" wrap="nowrap">
      <Image src={logo} alt="" w={28} h={28} fit="contain" radius="sm" />
      <Text fw={650} truncate>
        {status?.system_name || "oneapi_asgi"}
      </Text>
    </Group>
  );
}

function own(address: string): boolean {
  return (
    address.startsWith("data:image/") ||
    (URL.canParse(address, BASE) && new URL(address, BASE).origin === location.origin)
  );
}
