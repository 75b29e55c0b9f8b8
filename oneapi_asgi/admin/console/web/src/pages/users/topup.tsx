import { Button, Modal, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { money, quotaOfDollars } from "../../format";
import { useAct } from "../../parts/act";
import { DollarsInput } from "../../parts/dollars";
import { Failed } from "../../parts/failed";
import type { User } from "../../session";
import { useFocusBack } from "../../parts/focus-back";

/** Adds to what a user may spend. */
export function TopUpForm({ user, close }: { user: User; close: () => void }) {
  useFocusBack();
  const { t } = useTranslation("users");
  const name = user.username;
  const form = useForm<{ dollars: number | string; remark: string }>({ initialValues: { dollars: "", remark: "" } });
  const dollars = Number(form.values.dollars);
  const add = useAct(
    () =>
      ask(() =>
        api.POST("/topup", {
          body: { user_id: user.id, quota: quotaOfDollars(dollars), remark: form.values.remark.trim() },
        }),
      ),
    {
      renews: [["users"], ["me"]],
      done: t("credited", { name, amount: money(dollars) }),
      after: close,
      quiet: true,
    },
  );
  return (
    <Modal opened onClose={close} title={t("topupTitle", { name })}>
      <form onSubmit={form.onSubmit(() => add.mutate())}>
        <Stack>
          {add.error ? <Failed error={add.error} /> : null}
          <DollarsInput label={t("topupAmount")} required data-autofocus {...form.getInputProps("dollars")} />
          <TextInput
            label={t("reason")}
            description={t("reasonSays")}
            maxLength={255}
            {...form.getInputProps("remark")}
          />
          <Button type="submit" loading={add.isPending} disabled={!(dollars > 0)}>
            {t("topup")}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
