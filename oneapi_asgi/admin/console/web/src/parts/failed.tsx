import { Alert, Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { TFunction } from "i18next";
import i18next from "i18next";
import { useTranslation } from "react-i18next";

import { Failure } from "../api";

/** What went wrong, in words: those of the administration, which say how to mend it, or ours if it was not reached. */
export function words(error: unknown, t: TFunction): string {
  if (!(error instanceof Failure)) return error instanceof Error ? error.message : String(error);
  if (error.status === 0) return t("unreachable");
  const after = error.status === 429 && error.retryAfter ? ` ${t("retryAfter", { count: error.retryAfter })}` : "";
  return (error.message || t("failedWith", { status: error.status })) + after;
}

/** In place of what could not be shown. */
export function Failed({ error, again }: { error: unknown; again?: () => unknown }) {
  const { t } = useTranslation();
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={t("failed")} role="alert">
      <Group justify="space-between">
        <Text size="sm">{words(error, t)}</Text>
        {again ? (
          <Button size="xs" variant="default" onClick={() => void again()}>
            {t("again")}
          </Button>
        ) : null}
      </Group>
    </Alert>
  );
}

/** Says in a corner that something that was done went wrong. */
export function tellFailure(error: unknown): void {
  const t = i18next.t.bind(i18next) as TFunction;
  notifications.show({ color: "red", title: t("failed"), message: words(error, t), autoClose: 10_000 });
}

export function tellDone(message: string): void {
  notifications.show({ color: "teal", message });
}
