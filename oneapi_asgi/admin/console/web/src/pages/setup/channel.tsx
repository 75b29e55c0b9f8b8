import { Alert, Button, Group, PasswordInput, Select, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconCheck, IconPlugConnected } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask, Failure, type Schemas } from "../../api";
import { span } from "../../format";
import { useAct } from "../../parts/act";
import { Failed } from "../../parts/failed";
import { useKinds } from "../../parts/kinds";
import { useKnownModels } from "../../parts/models";

type Kind = Schemas["KindRow"];
type Tested = Schemas["TestRow"];

const REQUIRED = /^required:\s*/;
const FIRST = "openai";
const PLAIN = "API key";

interface Values {
  name: string;
  provider: string;
  key: string;
  base_url: string;
  models: string[];
  options: Record<string, string>;
}

function useChannelForm() {
  const { t } = useTranslation("setup");
  return useForm<Values>({
    initialValues: { name: FIRST, provider: FIRST, key: "", base_url: "", models: [], options: {} },
    validate: { models: (models) => (models.length > 0 ? null : t("channel.noModels")) },
  });
}

/** The first channel: saved, then tested at once; what fails can be corrected and tested again. */
export function ChannelStep({ onDone }: { onDone: (model: string) => void }) {
  const { t } = useTranslation("setup");
  const kinds = useKinds();
  const [saved, setSaved] = useState<number>();
  const form = useChannelForm();
  const { values } = form;
  const kind = kinds.data?.find(({ provider }) => provider === values.provider);
  const known = useKnownModels();
  const access = {
    provider: values.provider,
    key: values.key,
    base_url: values.base_url,
    options: values.options,
  };
  function atField(error: unknown) {
    if (error instanceof Failure && error.param && error.param in values) {
      form.setFieldError(error.param, error.message);
    }
  }
  const fetch = useAct(() => ask(() => api.POST("/channel/fetch_models", { body: access })), {
    quiet: true,
    after: (models) => form.setFieldValue("models", models),
  });
  const save = useAct(
    async () => {
      const body = { ...access, name: values.name, models: values.models };
      const row =
        saved === undefined
          ? (await ask(() => api.POST("/channel", { body })))[0]
          : await ask(() => api.PUT("/channel", { body: { ...body, id: saved } }));
      if (!row) throw new Error(t("channel.notSaved"));
      setSaved(row.id);
      const { id } = row;
      return ask(() => api.POST("/channel/test/{id}", { params: { path: { id } } }));
    },
    { quiet: true, renews: [["channels"]] },
  );
  const tested = save.data;
  return (
    <form
      className="panel padded"
      onSubmit={form.onSubmit(() => save.mutate(undefined, { onError: atField }))}
      aria-label={t("channel.label")}
    >
      <Stack maw={640}>
        {kinds.error ? <Failed error={kinds.error} again={kinds.refetch} /> : null}
        <Select
          label={t("channel.provider")}
          description={kind?.note || t("channel.providerSays")}
          searchable
          allowDeselect={false}
          data={kinds.data?.map(({ provider, name }) => ({ value: provider, label: name })) ?? []}
          {...form.getInputProps("provider")}
          onChange={(value) =>
            // a key goes to its own provider alone, and to no address that is not shown any more
            form.setValues({
              provider: value ?? FIRST,
              name: value ?? FIRST,
              key: "",
              base_url: "",
              models: [],
              options: {},
            })
          }
        />
        <PasswordInput
          label={t("channel.key")}
          description={kind && kind.key_format !== PLAIN ? kind.key_format : undefined}
          autoComplete="off"
          {...form.getInputProps("key")}
        />
        <Extra kind={kind} form={form} />
        <Group align="flex-end" gap="xs" wrap="nowrap">
          <TagsInput
            flex={1}
            label={t("channel.models")}
            description={t("channel.modelsSay")}
            data={known[String(kind?.type ?? 0)] ?? []}
            maxDropdownHeight={240}
            clearable
            {...form.getInputProps("models")}
          />
          <Button variant="default" loading={fetch.isPending} onClick={() => fetch.mutate()}>
            {t("channel.fetch")}
          </Button>
        </Group>
        {fetch.error ? <Failed error={fetch.error} /> : null}
        {save.error ? <Failed error={save.error} /> : null}
        {tested ? <Outcome tested={tested} /> : null}
        <Group>
          <Button
            type="submit"
            variant={tested?.served ? "default" : "filled"}
            loading={save.isPending}
            leftSection={<IconPlugConnected size={18} />}
          >
            {saved === undefined ? t("channel.save") : t("channel.testAgain")}
          </Button>
          {tested ? (
            <Button variant={tested.served ? "filled" : "subtle"} onClick={() => onDone(values.models[0] ?? "")}>
              {tested.served ? t("next") : t("channel.anyway")}
            </Button>
          ) : null}
        </Group>
      </Stack>
    </form>
  );
}

/** What this kind of channel needs beside a key: an address where it has none of its own, and its required options. */
function Extra({ kind, form }: { kind: Kind | undefined; form: ReturnType<typeof useChannelForm> }) {
  const { t } = useTranslation("setup");
  if (!kind) return null;
  const needed = Object.entries(kind.options).filter(([, says]) => REQUIRED.test(says));
  return (
    <>
      {kind.base_url === "" || kind.base_url.includes("localhost") ? (
        <TextInput
          label={t("channel.url")}
          description={t("channel.urlSays")}
          placeholder={kind.base_url || "https://…/v1"}
          required={kind.base_url === ""}
          {...form.getInputProps("base_url")}
        />
      ) : null}
      {needed.map(([option, says]) => (
        <TextInput
          key={option}
          label={option}
          description={says.replace(REQUIRED, "")}
          required
          value={form.values.options[option] ?? ""}
          onChange={(event) =>
            form.setFieldValue("options", { ...form.values.options, [option]: event.currentTarget.value })
          }
        />
      ))}
    </>
  );
}

function Outcome({ tested }: { tested: Tested }) {
  const { t } = useTranslation("setup");
  if (!tested.served) {
    return (
      <Alert color="red" title={t("channel.fails", { model: tested.model })} role="alert">
        <Text size="sm">{tested.told}</Text>
      </Alert>
    );
  }
  return (
    <Alert
      color="teal"
      icon={<IconCheck aria-hidden />}
      title={t("channel.works", { model: tested.model, time: span(tested.milliseconds / 1000) })}
      role="status"
    >
      <Text size="sm">{tested.answer ? t("channel.said", { answer: tested.answer }) : tested.told}</Text>
    </Alert>
  );
}
