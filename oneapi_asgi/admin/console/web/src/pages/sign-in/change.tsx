import { Button, PasswordInput, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { Failed } from "../../parts/failed";
import { Frame } from "./frame";

/** Before anything else: a password that was given, or is known to everybody, gives way to one of the user's own. */
export default function ChangeFirst() {
  const { t } = useTranslation("signIn");
  const form = useForm({
    initialValues: { before: "", after: "", repeated: "" },
    validate: {
      repeated: (value, values) => (value === values.after ? null : t("differs")),
    },
  });
  const change = useAct(
    () =>
      ask(() =>
        api.PUT("/user/self", { body: { original_password: form.values.before, password: form.values.after } }),
      ),
    { quiet: true, renews: [["me"]] },
  );
  return (
    <Frame title={t("changeTitle")} says={t("changeSays")}>
      <form onSubmit={form.onSubmit(() => change.mutate())}>
        <Stack>
          {change.error ? <Failed error={change.error} /> : null}
          <PasswordInput
            label={t("before")}
            description={t("beforeSays")}
            autoComplete="current-password"
            autoFocus
            required
            {...form.getInputProps("before")}
          />
          <PasswordInput
            label={t("after")}
            description={t("afterSays")}
            autoComplete="new-password"
            required
            {...form.getInputProps("after")}
          />
          <PasswordInput
            label={t("repeated")}
            autoComplete="new-password"
            required
            {...form.getInputProps("repeated")}
          />
          <Button type="submit" loading={change.isPending}>
            {t("change")}
          </Button>
        </Stack>
      </form>
    </Frame>
  );
}
