import { Button, Group, TagsInput } from "@mantine/core";
import { IconCloudDownload, IconEraser, IconListCheck } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { useKnownModels } from "../../parts/models";
import type { ChannelForm } from "./access";
import { type Channel, type Kind, singleModels } from "./data";
import { OfferedDialog } from "./offered";
import { keysOf, shapeOf } from "./providers";
import { PairRows } from "./rows";
import { draftOf, tellMistake } from "./values";

const MOST_SUGGESTED = 60;

/** Which models callers may ask this channel for, and what the provider calls them. */
export function Models({
  form,
  kind,
  channel,
}: {
  form: ChannelForm;
  kind: Kind | undefined;
  channel: Channel | null;
}) {
  const { t } = useTranslation("channels");
  const { models, mapping } = form.values;
  const known = useKnownModels()[String(kind?.type)] ?? [];
  const [offered, setOffered] = useState<readonly string[] | null>(null);
  function add(names: readonly string[]) {
    form.setFieldValue("models", [...new Set([...models, ...names])]);
  }
  const fetch = useAct(() => offeredBy(form, kind, channel), {
    after: setOffered,
  });
  const unsuited = !form.values.provider;
  return (
    <>
      <TagsInput
        label={t("form.models")}
        description={t("form.modelsSays")}
        placeholder={models.length > 0 ? "" : "gpt-4o, gpt-4o-mini, o*"}
        data={known}
        limit={MOST_SUGGESTED}
        splitChars={[",", " "]}
        required
        {...form.getInputProps("models")}
      />
      <Group gap="xs">
        <Button
          variant="default"
          size="xs"
          leftSection={<IconCloudDownload size={14} />}
          loading={fetch.isPending}
          disabled={unsuited}
          onClick={() => fetch.mutate(undefined, { onError: (error) => tellMistake(error, form, kind) })}
        >
          {t("form.fetch")}
        </Button>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconListCheck size={14} />}
          disabled={known.length === 0}
          onClick={() => add(known)}
        >
          {t("form.fill", { count: known.length })}
        </Button>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconEraser size={14} />}
          disabled={models.length === 0}
          onClick={() => form.setFieldValue("models", [])}
        >
          {t("form.clear")}
        </Button>
      </Group>
      <PairRows
        label={t("form.mapping")}
        says={t("form.mappingSays")}
        left={t("form.mappingFrom")}
        right={t("form.mappingTo")}
        add={t("form.mappingAdd")}
        pairs={mapping}
        suggested={singleModels(models)}
        onChange={(next) => form.setFieldValue("mapping", next)}
        error={form.errors["mapping"]}
      />
      {offered ? (
        <OfferedDialog
          offered={offered}
          present={models}
          take={(names) => form.setFieldValue("models", names)}
          close={() => setOffered(null)}
        />
      ) : null}
    </>
  );
}

/** Of the channel as it is kept, if nothing of whom it asks was changed; else of what the form says. */
function offeredBy(form: ChannelForm, kind: Kind | undefined, channel: Channel | null): Promise<string[]> {
  const { provider, base_url, options } = draftOf({ ...form.values, parameters: "" }, kind, channel);
  const keys = keysOf(shapeOf(form.values.provider), form.values.keys);
  const typed = Array.isArray(keys) ? (keys[0] ?? "") : "";
  const kept =
    channel !== null &&
    typed === "" &&
    provider === channel.provider &&
    base_url === channel.base_url &&
    JSON.stringify(options) === JSON.stringify(channel.options);
  if (kept) return ask(() => api.GET("/channel/fetch_models/{id}", { params: { path: { id: channel.id } } }));
  const body = { provider, base_url, options, key: typed };
  return ask(() => api.POST("/channel/fetch_models", { body }));
}
