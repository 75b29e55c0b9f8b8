import { Button, Modal, NumberInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import dayjs from "dayjs";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { QUOTA_PER_DOLLAR, quotaOfDollars } from "../../format";
import { useAct } from "../../parts/act";
import { atField } from "../../parts/at-field";
import { DollarsInput } from "../../parts/dollars";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";

interface Values {
  name: string;
  dollars: number | string;
  count: number | string;
  /** In the viewer's zone, as such inputs write it; empty for never. */
  expires: string;
}

const MOST = 1000;

interface Props {
  code: Schemas["RedemptionRow"] | null;
  made: (name: string, codes: string[]) => void;
  close: () => void;
}

async function make(body: { name: string; quota: number; expired_time: number; count: number }): Promise<string[]> {
  return ask(async () => {
    const { data, error, response } = await api.POST("/redemption", { body });
    return { response, ...(error ? { error } : {}), ...(typeof data === "object" ? { data } : {}) }; // a text is a table
  });
}

/** Makes codes, or changes one that nobody has redeemed. */
export function CodeForm({ code, made, close }: Props) {
  useFocusBack();
  const { t } = useTranslation(["redemptions", "common"]);
  const form = useForm<Values>({
    initialValues: {
      name: code?.name ?? "",
      dollars: code ? code.quota / QUOTA_PER_DOLLAR : "",
      count: 1,
      expires: code && code.expired_time > 0 ? dayjs.unix(code.expired_time).format("YYYY-MM-DDTHH:mm") : "",
    },
  });
  async function keep(values: Values): Promise<string[]> {
    const body = {
      name: values.name.trim(),
      quota: quotaOfDollars(Number(values.dollars)),
      expired_time: values.expires ? dayjs(values.expires).unix() : -1,
    };
    if (!code) return make({ ...body, count: Number(values.count) });
    await ask(() => api.PUT("/redemption", { body: { id: code.id, ...body } }));
    return [];
  }
  const save = useAct(keep, {
    renews: [["redemptions"]],
    ...(code ? { done: t("common:saved") } : {}),
    after: (codes) => {
      if (codes.length > 0) made(form.values.name.trim(), codes);
      close();
    },
    quiet: true,
  });
  return (
    <Modal opened onClose={close} title={code ? t("edit", { id: code.id }) : t("add")}>
      <form
        onSubmit={form.onSubmit((values) =>
          save.mutate(values, { onError: (error) => atField(error, form, { quota: "dollars" }) && save.reset() }),
        )}
      >
        <Stack>
          {save.error ? <Failed error={save.error} /> : null}
          <TextInput
            label={t("common:name")}
            description={t("nameSays")}
            required
            maxLength={100}
            data-autofocus
            {...form.getInputProps("name")}
          />
          <DollarsInput label={t("amount")} description={t("amountSays")} required {...form.getInputProps("dollars")} />
          {code ? null : (
            <NumberInput
              label={t("count")}
              required
              min={1}
              max={MOST}
              allowDecimal={false}
              clampBehavior="strict"
              {...form.getInputProps("count")}
            />
          )}
          <TextInput
            type="datetime-local"
            label={t("expires")}
            description={t("expiresSays")}
            {...form.getInputProps("expires")}
          />
          <Button type="submit" loading={save.isPending}>
            {code ? t("common:save") : t("add")}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
