import { Button, Modal, NumberInput, Stack, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { atField } from "../../parts/at-field";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";

/** Says what a group pays. */
export function GroupForm({ group, close }: { group: Schemas["GroupRow"] | null; close: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["groups", "common"]);
  const form = useForm<{ name: string; ratio: number | string; note: string }>({
    initialValues: { name: group?.name ?? "", ratio: group?.ratio ?? "1", note: group?.note ?? "" },
    validate: { ratio: (ratio) => (ratio === "" ? t("cannot") : null) },
  });
  const save = useAct(
    ({ name, ratio, note }: typeof form.values) =>
      ask(() =>
        api.PUT("/group/{name}", {
          params: { path: { name: name.trim() } },
          body: { ratio: String(ratio), note: note.trim() },
        }),
      ),
    { renews: [["groups"], ["pricing"], ["prices"]], done: t("common:saved"), after: close, quiet: true },
  );
  return (
    <Modal opened onClose={close} title={group ? t("edit", { name: group.name }) : t("add")}>
      <form
        onSubmit={form.onSubmit((values) =>
          save.mutate(values, { onError: (error) => atField(error, form) && save.reset() }),
        )}
      >
        <Stack>
          {save.error ? <Failed error={save.error} /> : null}
          {group ? null : (
            <TextInput
              label={t("name")}
              description={t("nameSays")}
              required
              maxLength={64}
              data-autofocus
              {...form.getInputProps("name")}
            />
          )}
          <NumberInput
            label={t("ratio")}
            description={t("ratioSays")}
            required
            min={0}
            step={0.1}
            decimalScale={9}
            allowNegative={false}
            data-autofocus={group ? true : undefined}
            {...form.getInputProps("ratio")}
          />
          <Textarea label={t("note")} maxLength={255} autosize minRows={2} {...form.getInputProps("note")} />
          <Button type="submit" loading={save.isPending}>
            {t("common:save")}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
