import { Alert, Button, Group, Modal, Stack, Textarea } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconCopy, IconDownload } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { useCopying } from "../../parts/copying";
import { download } from "../../parts/download";
import { useFocusBack } from "../../parts/focus-back";

/** Codes that were made, shown this once: it is not closed by accident. */
export function Made({ name, codes, close }: { name: string; codes: string[]; close: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["redemptions", "common"]);
  const { copied, copy } = useCopying();
  const text = codes.join("\n");
  const title = t("made", { count: codes.length });
  return (
    <Modal opened onClose={close} title={title} closeOnEscape={false} withCloseButton={false}>
      <Stack>
        <Alert color="orange" icon={<IconAlertTriangle aria-hidden />}>
          {t("madeSays")}
        </Alert>
        <Textarea aria-label={title} value={text} readOnly autosize maxRows={12} ff="monospace" />
        <Group>
          <Button
            variant="default"
            leftSection={copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
            onClick={() => copy(text)}
          >
            {t(copied ? "common:copied" : "common:copy")}
          </Button>
          <Button
            variant="default"
            leftSection={<IconDownload size={16} />}
            onClick={() => download(`${text}\n`, `${name.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-")}.txt`)}
          >
            {t("download")}
          </Button>
          <Button ml="auto" onClick={close}>
            {t("shown")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
