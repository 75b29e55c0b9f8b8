import { Autocomplete, Button, Modal, NumberInput, SimpleGrid, Stack, TagsInput, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";
import { useGroupNames } from "../../parts/group-names";
import { type ChannelEdit, useTags } from "./data";
import { COUNT } from "./values";

interface Values {
  group: string[];
  tag: string;
  priority: number | string;
  weight: number | string;
}

/** Changes the same of many channels, one after another: the first that is refused ends it, and can be read. */
export function EditMany({ ids, close, done }: { ids: readonly number[]; close: () => void; done: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["channels", "common"]);
  const groups = useGroupNames();
  const tags = useTags();
  const form = useForm<Values>({ initialValues: { group: [], tag: "", priority: "", weight: "" } });
  const changes = changesOf(form.values);
  const queries = useQueryClient();
  const save = useAct(
    async () => {
      try {
        for (const id of ids) {
          // oxlint-disable-next-line no-await-in-loop -- a thousand at once would be refused
          await ask(() => api.PUT("/channel", { body: { id, ...changes } }));
        }
      } finally {
        await queries.invalidateQueries({ queryKey: ["channels"] });
      }
    },
    {
      done: t("batch.changed", { count: ids.length }),
      after: done,
      quiet: true,
    },
  );
  return (
    <Modal opened onClose={close} title={t("batch.editTitle", { count: ids.length })}>
      <form onSubmit={form.onSubmit(() => save.mutate())}>
        <Stack>
          <Text size="sm">{t("batch.editSays")}</Text>
          {save.error ? <Failed error={save.error} /> : null}
          <TagsInput
            label={t("groups")}
            data={[...groups]}
            splitChars={[",", " "]}
            data-autofocus
            {...form.getInputProps("group")}
          />
          <Autocomplete
            label={t("tag")}
            data={tags.map(({ tag }) => tag)}
            maxLength={255}
            {...form.getInputProps("tag")}
          />
          <SimpleGrid cols={2}>
            <NumberInput label={t("priority")} min={-1_000_000} {...COUNT} {...form.getInputProps("priority")} />
            <NumberInput label={t("weight")} min={1} {...COUNT} {...form.getInputProps("weight")} />
          </SimpleGrid>
          <Button type="submit" loading={save.isPending} disabled={Object.keys(changes).length === 0}>
            {t("common:save")}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}

/** What is empty stays as it is. */
function changesOf({ group, tag, priority, weight }: Values): ChannelEdit {
  return {
    ...(group.length > 0 ? { group } : {}),
    ...(tag.trim() ? { tag: tag.trim() } : {}),
    ...(priority === "" ? {} : { priority: Number(priority) }),
    ...(weight === "" ? {} : { weight: Number(weight) }),
  };
}
