import { Alert, Button, Group, Modal, Select, Stack, Tabs } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api";
import { Snippet } from "../../parts/copy";
import { useFocusBack } from "../../parts/focus-back";
import { useModels } from "../../parts/models";
import { useStatus } from "../../session";
import { FORMATS, written } from "./clients";

type Token = Schemas["TokenRow"];

/** The only time that a key is shown, in the forms that clients take. */
export function Made({ token, onClose }: { token: Token; onClose: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["tokens", "common"]);
  const chat = useStatus().data?.chat_link ?? "";
  const models = useModels();
  const allowed = token.models.split(",").filter((name) => name && !name.includes("*"));
  const names = allowed.length > 0 ? allowed : (models.data ?? []);
  const [picked, setPicked] = useState("");
  const model = picked || names[0] || "gpt-4o-mini";
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("made.title", { name: token.name })}
      size="lg"
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack>
        <Alert color="orange" icon={<IconAlertTriangle aria-hidden />}>
          {t("made.once")}
        </Alert>
        <Snippet value={token.key} what={t("key")} />
        <Tabs defaultValue="curl" keepMounted={false}>
          <Tabs.List>
            {FORMATS.map((format) => (
              <Tabs.Tab key={format} value={format}>
                {t(`made.${format}`)}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {FORMATS.map((format) => (
            <Tabs.Panel key={format} value={format} pt="sm">
              <Stack gap="sm">
                {(format === "curl" || format === "python") && names.length > 1 ? (
                  <Select
                    label={t("made.model")}
                    data={names}
                    value={model}
                    onChange={(value) => setPicked(value ?? "")}
                    searchable
                    allowDeselect={false}
                    maw={320}
                  />
                ) : null}
                <Snippet value={written(format, { key: token.key, model, chat })} what={t(`made.${format}`)} />
              </Stack>
            </Tabs.Panel>
          ))}
        </Tabs>
        <Group justify="flex-end">
          <Button onClick={onClose}>{t("made.kept")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
