import { Autocomplete, Button, Drawer, PasswordInput, Select, Stack, Switch, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { QUOTA_PER_DOLLAR, quotaOfDollars } from "../../format";
import { useAct } from "../../parts/act";
import { atField } from "../../parts/at-field";
import { DollarsInput } from "../../parts/dollars";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";
import { useGroupNames } from "../../parts/group-names";
import { useIsRoot, type User, useUser } from "../../session";
import { ROLES } from "./roles";

interface Values {
  username: string;
  password: string;
  display_name: string;
  email: string;
  role: string;
  group: string;
  unlimited: boolean;
  dollars: number | string;
  remind: number | string;
}

const NEW: Values = {
  username: "",
  password: "",
  display_name: "",
  email: "",
  role: "1",
  group: "default",
  unlimited: false,
  dollars: "",
  remind: "",
};

function valuesOf(user: User): Values {
  return {
    username: user.username,
    password: "",
    display_name: user.display_name,
    email: user.email,
    role: String(user.role),
    group: user.group,
    unlimited: user.unlimited_quota,
    dollars: user.unlimited_quota ? "" : user.quota / QUOTA_PER_DOLLAR,
    remind: user.remind_quota === null ? "" : user.remind_quota / QUOTA_PER_DOLLAR,
  };
}

/** What a new user is made of. */
function draftOf(values: Values) {
  const { username, password, display_name, email, group } = values;
  return {
    username,
    password,
    display_name,
    email,
    group,
    role: Number(values.role),
    unlimited_quota: values.unlimited,
    ...(values.unlimited || values.dollars === "" ? {} : { quota: quotaOfDollars(Number(values.dollars)) }),
  };
}

/** What has been changed of a user, nothing else: others may change the rest meanwhile. */
function changesOf(before: Values, values: Values) {
  const texts = (["username", "display_name", "email", "group"] as const).filter((key) => values[key] !== before[key]);
  const bounded = values.unlimited !== before.unlimited || values.dollars !== before.dollars;
  return {
    ...Object.fromEntries(texts.map((key) => [key, values[key]])),
    ...(values.password ? { password: values.password } : {}),
    ...(values.role === before.role ? {} : { role: Number(values.role) }),
    ...(bounded
      ? values.unlimited
        ? { unlimited_quota: true }
        : { unlimited_quota: false, quota: quotaOfDollars(Number(values.dollars)) }
      : {}),
    ...(values.remind === before.remind
      ? {}
      : { remind_quota: values.remind === "" ? null : quotaOfDollars(Number(values.remind)) }),
  };
}

/** Makes a user, or changes one. */
export function UserForm({ user, close }: { user: User | null; close: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["users", "common"]);
  const before = user ? valuesOf(user) : NEW;
  const form = useForm<Values>({ initialValues: before });
  const save = useAct(
    (values: Values) =>
      user
        ? ask(() => api.PUT("/user", { body: { id: user.id, ...changesOf(before, values) } }))
        : ask(() => api.POST("/user", { body: draftOf(values) })),
    {
      renews: [["users"], ["me"]],
      done: (made) => (user ? t("common:saved") : t("added", { name: made.username })),
      after: close,
      quiet: true,
    },
  );
  function submit(values: Values) {
    save.mutate(values, {
      onError: (error) => {
        if (atField(error, form, { quota: "dollars", remind_quota: "remind" })) save.reset();
      },
    });
  }
  return (
    <Drawer
      opened
      onClose={close}
      closeOnClickOutside={false}
      position="right"
      title={user ? t("edit", { name: user.username }) : t("add")}
    >
      <form onSubmit={form.onSubmit(submit)} autoComplete="off">
        <Stack>
          {save.error ? <Failed error={save.error} /> : null}
          <TextInput
            label={t("username")}
            description={t("usernameSays")}
            required
            maxLength={64}
            data-autofocus
            {...form.getInputProps("username")}
          />
          <PasswordInput
            label={t(user ? "passwordNew" : "password")}
            description={t(user ? "passwordNewSays" : "passwordSays")}
            autoComplete="new-password"
            {...form.getInputProps("password")}
          />
          <TextInput
            label={t("displayName")}
            description={t("displayNameSays")}
            maxLength={64}
            {...form.getInputProps("display_name")}
          />
          <TextInput label={t("common:email")} type="email" maxLength={254} {...form.getInputProps("email")} />
          <Access form={form} user={user} />
          <Switch label={t("unlimited")} {...form.getInputProps("unlimited", { type: "checkbox" })} />
          {form.values.unlimited ? null : (
            <DollarsInput
              label={t("quota")}
              description={t(user ? "quotaSays" : "quotaNewSays")}
              required={user !== null}
              allowNegative
              {...form.getInputProps("dollars")}
            />
          )}
          {user ? (
            <DollarsInput label={t("remind")} description={t("remindSays")} {...form.getInputProps("remind")} />
          ) : null}
          <Button type="submit" loading={save.isPending} mt="xs">
            {user ? t("common:save") : t("add")}
          </Button>
        </Stack>
      </form>
    </Drawer>
  );
}

function Access({ form, user }: { form: ReturnType<typeof useForm<Values>>; user: User | null }) {
  const { t } = useTranslation("users");
  const groups = useGroupNames();
  const root = useIsRoot();
  const me = useUser();
  return (
    <>
      {root && user?.id !== me.id ? (
        <Select
          label={t("role")}
          data={ROLES.map(({ role, key }) => ({ value: String(role), label: t(`roles.${key}`) }))}
          allowDeselect={false}
          {...form.getInputProps("role")}
        />
      ) : null}
      <Autocomplete
        label={t("group")}
        description={t("groupSays")}
        data={groups}
        required
        maxLength={64}
        {...form.getInputProps("group")}
      />
    </>
  );
}
