import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { atField } from "../../parts/at-field";
import { Failed } from "../../parts/failed";
import { useUser } from "../../session";
import { useTurnstile } from "../sign-in/turnstile";
import { Part } from "./part";

/** The address that letters go to, bound by a code that is sent to it. */
export function Email() {
  const { t } = useTranslation(["account", "common"]);
  const user = useUser();
  const person = useTurnstile();
  const [sent, setSent] = useState(false);
  const form = useForm({ initialValues: { email: "", code: "" } });
  const { email, code } = form.values;
  const send = useAct(
    () =>
      ask(() => api.POST("/verification", { params: { query: person.query }, body: { email } })).finally(person.used),
    { quiet: true, after: () => setSent(true) },
  );
  const bind = useAct(() => ask(() => api.POST("/oauth/email/bind", { body: { email, code } })), {
    quiet: true,
    renews: [["me"]],
    done: t("emailBound"),
    after: () => {
      form.reset();
      setSent(false);
    },
  });
  const act = sent ? bind : send;
  function submit() {
    act.mutate(undefined, {
      onError: (error) => {
        if (atField(error, form)) act.reset();
      },
    });
  }
  return (
    <Part title={t("common:email")} says={t("emailSays")}>
      <Text size="sm">{user.email || t("emailNone")}</Text>
      <form onSubmit={form.onSubmit(submit)}>
        <Stack gap="sm">
          {act.error ? <Failed error={act.error} /> : null}
          {sent ? (
            <>
              <Alert color="teal" role="status">
                {t("emailSent", { email })}
              </Alert>
              <TextInput
                label={t("emailCode")}
                autoComplete="one-time-code"
                autoFocus
                required
                {...form.getInputProps("code")}
              />
            </>
          ) : (
            <TextInput
              label={t("emailNew")}
              type="email"
              autoComplete="email"
              required
              {...form.getInputProps("email")}
            />
          )}
          {sent ? null : person.widget}
          <Group justify="flex-end">
            {sent ? (
              <Button variant="default" onClick={() => setSent(false)}>
                {t("common:cancel")}
              </Button>
            ) : null}
            <Button type="submit" loading={act.isPending} disabled={!sent && !person.ready}>
              {sent ? t("emailBind") : t("emailSend")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Part>
  );
}
