import { Text } from "@mantine/core";
import { modals } from "@mantine/modals";
import i18next from "i18next";
import type { ReactNode } from "react";

interface Question {
  title: string;
  says: ReactNode;
  yes: string;
}

/** Asks before what cannot be undone. */
export function confirmed({ title, says, yes }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    modals.openConfirmModal({
      title,
      children: (
        <Text size="sm" component="div">
          {says}
        </Text>
      ),
      labels: { confirm: yes, cancel: i18next.t("cancel") },
      confirmProps: { color: "red" },
      onConfirm: () => resolve(true),
      onCancel: () => resolve(false),
      onClose: () => resolve(false),
    });
  });
}
