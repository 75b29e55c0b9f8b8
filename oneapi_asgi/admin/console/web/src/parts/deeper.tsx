import { Alert, Button, Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import type { Listed } from "../api";
import type { Paging } from "./table";

/** Rows that may lie before a page that is found by its number; what is deeper is found by `before`. */
const MOST_SKIPPED = 20_000;

/** Which page to ask for, of a list that is found by its number down to some depth, and from there by `before`. */
export function placed({ page, size }: Paging, before: string) {
  return { p: Math.min(page, Math.floor(MOST_SKIPPED / size)), page_size: size, ...(before ? { before } : {}) };
}

/** Leads on from a list that has more rows than its pages reach, and back. */
export function Deeper<T>({
  page,
  before,
  go,
}: {
  page: Listed<T> | undefined;
  before: string;
  go: (before: string) => void;
}) {
  const { t } = useTranslation();
  const on = page?.capped ? page.before : null;
  if (!before && !on) return null;
  return (
    <Alert>
      <Group justify="space-between" gap="xs">
        <Text size="sm">{t(on ? "deeper.more" : "deeper.all")}</Text>
        <Group gap="xs">
          {before ? (
            <Button size="xs" variant="default" onClick={() => go("")}>
              {t("deeper.newest")}
            </Button>
          ) : null}
          {on ? (
            <Button size="xs" variant="default" onClick={() => go(on)}>
              {t("deeper.older")}
            </Button>
          ) : null}
        </Group>
      </Group>
    </Alert>
  );
}
