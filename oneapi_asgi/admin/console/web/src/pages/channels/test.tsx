import { Alert, Autocomplete, Button, Code, Group, Modal, Select, Stack, Switch, Text } from "@mantine/core";
import { IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { number } from "../../format";
import { useAct } from "../../parts/act";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";
import { type Channel, namesOf, singleModels } from "./data";

/** One small request through a channel, and what came of it. */
export function TestDialog({ channel, close }: { channel: Channel; close: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["channels", "common"]);
  const models = singleModels(namesOf(channel.models));
  const [model, setModel] = useState(channel.test_model || models[0] || "");
  const queries = useQueryClient();
  const [stream, setStream] = useState(false);
  const [key, setKey] = useState<string | null>(null);
  const test = useAct(
    () => {
      const query = { model, stream, ...(key === null ? {} : { key: Number(key) }) };
      return ask(() => api.POST("/channel/test/{id}", { params: { path: { id: channel.id }, query } }));
    },
    { after: () => void queries.invalidateQueries({ queryKey: ["channels"] }), quiet: true },
  );
  function submit(event: FormEvent) {
    event.preventDefault();
    test.mutate();
  }
  const keys = channel.key_states.map((one) => ({
    value: String(one.index),
    label: `${t("test.keyNumber", { number: one.index + 1 })} ${one.key}`,
  }));
  return (
    <Modal opened onClose={close} title={t("test.open", { name: channel.name })} size="lg">
      <form onSubmit={submit}>
        <Stack>
          <Autocomplete
            label={t("test.model")}
            description={t("test.modelSays")}
            data={models}
            value={model}
            onChange={setModel}
            limit={100}
            maxLength={255}
          />
          {keys.length > 1 ? (
            <Select label={t("test.key")} data={keys} value={key} onChange={setKey} clearable placeholder="–" />
          ) : null}
          <Group justify="space-between">
            <Switch
              label={t("test.stream")}
              checked={stream}
              onChange={(event) => setStream(event.currentTarget.checked)}
            />
            <Button type="submit" loading={test.isPending} data-autofocus>
              {test.data ? t("test.again") : t("test.send")}
            </Button>
          </Group>
          <div aria-live="polite">
            {test.error ? <Failed error={test.error} /> : null}
            {test.data ? <Verdict row={test.data} /> : null}
          </div>
        </Stack>
      </form>
    </Modal>
  );
}

/** How a test went: what the model said, or what went wrong. */
export function Verdict({ row }: { row: Schemas["TestRow"] }) {
  const { t } = useTranslation("channels");
  const time = `${number(row.milliseconds)} ms`;
  return (
    <Alert
      color={row.served ? "teal" : "red"}
      icon={row.served ? <IconCircleCheck aria-hidden /> : <IconCircleX aria-hidden />}
      title={t(row.served ? "test.served" : "test.failed")}
    >
      <Stack gap="xs">
        <Text size="sm">{t("test.took", { time, model: row.model })}</Text>
        {row.served ? null : (
          <Text size="sm" className="broken">
            {row.told}
          </Text>
        )}
        {row.error ? (
          <Text size="sm">
            {t("test.code")}: <Code>{row.error}</Code>
          </Text>
        ) : null}
        {row.answer ? (
          <Text size="sm" className="broken">
            {t("test.answer")}: <q>{row.answer}</q>
          </Text>
        ) : null}
      </Stack>
    </Alert>
  );
}
