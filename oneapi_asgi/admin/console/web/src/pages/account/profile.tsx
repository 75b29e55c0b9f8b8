import { Button, Group, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { QUOTA_PER_DOLLAR, quotaOfDollars } from "../../format";
import { useAct } from "../../parts/act";
import { atField } from "../../parts/at-field";
import { DollarsInput } from "../../parts/dollars";
import { Failed } from "../../parts/failed";
import { useUser } from "../../session";
import { Part } from "./part";

/** Names, and when to be reminded of an empty wallet. */
export function Profile() {
  const { t } = useTranslation(["account", "common"]);
  const user = useUser();
  const form = useForm({
    initialValues: {
      username: user.username,
      display_name: user.display_name,
      remind: user.remind_quota === null ? "" : ((user.remind_quota / QUOTA_PER_DOLLAR) as number | string),
    },
  });
  const { username, display_name, remind } = form.values;
  const save = useAct(
    () =>
      ask(() =>
        api.PUT("/user/self", {
          body: {
            username,
            display_name,
            remind_quota: remind === "" ? null : quotaOfDollars(Number(remind)),
            password: "",
            original_password: "",
          },
        }),
      ),
    { quiet: true, renews: [["me"]], done: t("common:saved"), after: () => form.resetDirty() },
  );
  function submit() {
    save.mutate(undefined, {
      onError: (error) => {
        if (atField(error, form, { remind_quota: "remind" })) save.reset();
      },
    });
  }
  return (
    <Part title={t("profile")}>
      <form onSubmit={form.onSubmit(submit)}>
        <Stack gap="sm">
          {save.error ? <Failed error={save.error} /> : null}
          <TextInput label={t("username")} required maxLength={64} {...form.getInputProps("username")} />
          <TextInput label={t("displayName")} maxLength={64} {...form.getInputProps("display_name")} />
          <DollarsInput
            label={t("remind")}
            description={t("remindSays")}
            placeholder={t("remindUsual")}
            {...form.getInputProps("remind")}
          />
          <Group justify="flex-end">
            <Button type="submit" loading={save.isPending} disabled={!form.isDirty()}>
              {t("common:save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Part>
  );
}

/** Another password, or the first one of somebody who signs in elsewhere. */
export function Password() {
  const { t } = useTranslation("account");
  const user = useUser();
  const form = useForm({
    initialValues: { original_password: "", password: "", repeated: "" },
    validate: { repeated: (value, { password }) => (value === password ? null : t("differs")) },
  });
  const { original_password, password } = form.values;
  const change = useAct(() => ask(() => api.PUT("/user/self", { body: { original_password, password } })), {
    quiet: true,
    renews: [["me"], ["sessions"]],
    done: t("passwordDone"),
    after: () => form.reset(),
  });
  function submit() {
    change.mutate(undefined, {
      onError: (error) => {
        if (atField(error, form)) change.reset();
      },
    });
  }
  return (
    <Part title={t("password")} says={t("passwordSays")}>
      <form onSubmit={form.onSubmit(submit)}>
        <Stack gap="sm">
          {change.error ? <Failed error={change.error} /> : null}
          {user.has_password ? (
            <PasswordInput
              label={t("passwordBefore")}
              autoComplete="current-password"
              required
              {...form.getInputProps("original_password")}
            />
          ) : null}
          <PasswordInput
            label={t("passwordAfter")}
            description={t("passwordAfterSays")}
            autoComplete="new-password"
            required
            {...form.getInputProps("password")}
          />
          <PasswordInput
            label={t("passwordRepeated")}
            autoComplete="new-password"
            required
            {...form.getInputProps("repeated")}
          />
          <Group justify="flex-end">
            <Button type="submit" loading={change.isPending}>
              {t("passwordChange")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Part>
  );
}
