import { Alert, Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconMailCheck } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation, useSearch } from "wouter";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { Failed, tellDone } from "../../parts/failed";
import { leave, useMe } from "../../session";
import { Frame } from "./frame";
import { Back } from "./register";
import { useTurnstile } from "./turnstile";

/** A forgotten password: asks for a letter, or, where its link leads (`?email=&token=`), for another password. */
export default function Reset() {
  const asked = new URLSearchParams(useSearch());
  const email = asked.get("email") ?? "";
  const token = asked.get("token") ?? "";
  return email && token ? <Anew email={email} token={token} /> : <Forgotten />;
}

function Forgotten() {
  const { t } = useTranslation(["signIn", "common"]);
  const [email, setEmail] = useState("");
  const person = useTurnstile();
  const send = useAct(
    () => ask(() => api.POST("/reset_password", { params: { query: person.query }, body: { email } })),
    { quiet: true, after: person.used },
  );
  function submit(event: FormEvent) {
    event.preventDefault();
    send.mutate(undefined, { onError: person.used });
  }
  return (
    <Frame title={t("forgotTitle")} says={t("forgotSays")} below={<Back />}>
      {send.isSuccess ? (
        <Alert color="teal" icon={<IconMailCheck aria-hidden />} role="status">
          {t("linkSent", { email })}
        </Alert>
      ) : (
        <form onSubmit={submit}>
          <Stack>
            {send.error ? <Failed error={send.error} /> : null}
            <TextInput
              type="email"
              label={t("common:email")}
              value={email}
              onChange={(event) => setEmail(event.currentTarget.value)}
              autoComplete="email"
              autoFocus
              required
            />
            {person.widget}
            <Button type="submit" loading={send.isPending} disabled={!person.ready}>
              {t("sendLink")}
            </Button>
          </Stack>
        </form>
      )}
    </Frame>
  );
}

function Anew({ email, token }: { email: string; token: string }) {
  const { t } = useTranslation("signIn");
  const [, go] = useLocation();
  const me = useMe().data;
  const form = useForm({
    initialValues: { password: "", repeated: "" },
    validate: { repeated: (value, values) => (value === values.password ? null : t("differs")) },
  });
  const { password } = form.values;
  const reset = useAct(() => ask(() => api.POST("/user/reset", { body: { email, token, password } })), {
    quiet: true,
    after: () => {
      tellDone(t("wasReset"));
      if (me) leave();
      else go("/login", { replace: true });
    },
  });
  return (
    <Frame title={t("changeTitle")} below={<Back />}>
      <form onSubmit={form.onSubmit(() => reset.mutate())}>
        <Stack>
          <Text size="sm">{t("resetSays", { email })}</Text>
          {reset.error ? <Failed error={reset.error} /> : null}
          <PasswordInput
            label={t("after")}
            description={t("afterSays")}
            autoComplete="new-password"
            autoFocus
            required
            {...form.getInputProps("password")}
          />
          <PasswordInput
            label={t("repeated")}
            autoComplete="new-password"
            required
            {...form.getInputProps("repeated")}
          />
          <Button type="submit" loading={reset.isPending}>
            {t("setPassword")}
          </Button>
        </Stack>
      </form>
    </Frame>
  );
}
