import { Anchor, Button, Group, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useSearch } from "wouter";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { atField } from "../../parts/at-field";
import { Failed, tellDone } from "../../parts/failed";
import { useEnter, useStatus } from "../../session";
import { Frame } from "./frame";
import { useTurnstile } from "./turnstile";

/** Makes an account, and signs in with it. Who invited is in the address (`?aff=`). */
export default function Register() {
  const { t } = useTranslation(["signIn", "common"]);
  const status = useStatus().data;
  const [, go] = useLocation();
  const enter = useEnter();
  const invited = new URLSearchParams(useSearch()).get("aff") ?? "";
  const person = useTurnstile();
  const verified = status?.email_verification ?? false;
  const form = useForm({
    initialValues: { username: "", password: "", repeated: "", email: "", verification_code: "" },
    validate: { repeated: (value, values) => (value === values.password ? null : t("differs")) },
  });
  const { values } = form;
  const send = useAct(
    () => ask(() => api.POST("/verification", { params: { query: person.query }, body: { email: values.email } })),
    { done: t("codeSent"), after: person.used },
  );
  const register = useAct(
    async () => {
      const { username, password, email, verification_code } = values;
      const body = {
        username,
        password,
        aff_code: invited,
        ...(verified ? { email, verification_code } : {}),
      };
      await ask(() => api.POST("/user/register", { params: { query: person.query }, body }));
      return ask(() => api.POST("/user/login", { body: { username, password } }));
    },
    {
      quiet: true,
      after: (user) => {
        tellDone(t("registered"));
        enter(user as Schemas["UserRow"]);
        go("/");
      },
    },
  );
  function submit() {
    register.mutate(undefined, {
      onError: (error) => {
        person.used();
        if (atField(error, form)) register.reset();
      },
    });
  }
  return (
    <Frame title={t("register")} below={<Back />}>
      {status?.register_enabled === false ? (
        t("closed")
      ) : (
        <form onSubmit={form.onSubmit(submit)}>
          <Stack>
            {register.error ? <Failed error={register.error} /> : null}
            <TextInput
              label={t("newName")}
              autoComplete="username"
              autoFocus
              required
              {...form.getInputProps("username")}
            />
            <PasswordInput
              label={t("password")}
              description={t("afterSays")}
              autoComplete="new-password"
              required
              {...form.getInputProps("password")}
            />
            <PasswordInput
              label={t("repeatedFirst")}
              autoComplete="new-password"
              required
              {...form.getInputProps("repeated")}
            />
            {verified ? (
              <>
                <Group align="flex-end" gap="xs" wrap="nowrap">
                  <TextInput
                    flex={1}
                    type="email"
                    label={t("common:email")}
                    autoComplete="email"
                    required
                    {...form.getInputProps("email")}
                  />
                  <Button
                    variant="default"
                    loading={send.isPending}
                    disabled={!values.email.includes("@") || !person.ready}
                    onClick={() => send.mutate(undefined, { onError: person.used })}
                  >
                    {t("sendCode")}
                  </Button>
                </Group>
                <TextInput
                  label={t("mailedCode")}
                  autoComplete="one-time-code"
                  required
                  {...form.getInputProps("verification_code")}
                />
              </>
            ) : null}
            {person.widget}
            <Button type="submit" loading={register.isPending} disabled={!person.ready}>
              {t("register")}
            </Button>
          </Stack>
        </form>
      )}
    </Frame>
  );
}

export function Back() {
  const { t } = useTranslation("signIn");
  return (
    <Anchor component={Link} href="/login">
      {t("back")}
    </Anchor>
  );
}
