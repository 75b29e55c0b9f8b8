import { Button, Loader, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { modals } from "@mantine/modals";
import { useQuery } from "@tanstack/react-query";
import i18next from "i18next";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../api";
import { useAct } from "../parts/act";
import { Failed, tellFailure } from "../parts/failed";
import { signOut, useMe } from "../session";

let asked: Promise<boolean> | null = null;

/** Asks for the password, or a code, once more; who asks meanwhile shares the answer. */
export function askAgain(): Promise<boolean> {
  asked ??= new Promise<boolean>((resolve) => {
    const id = modals.open({
      title: i18next.t("confirmYou"),
      children: (
        <Again
          done={() => {
            resolve(true);
            modals.close(id);
          }}
        />
      ),
      onClose: () => resolve(false),
    });
  }).finally(() => {
    asked = null;
  });
  return asked;
}

function Again({ done }: { done: () => void }) {
  const user = useMe().data; // it stands outside of the page
  const byCode = user?.has_password === false;
  const factor = useQuery({
    queryKey: ["2fa"],
    queryFn: () => ask(() => api.GET("/user/2fa/status")),
    enabled: byCode,
  });
  if (!byCode) return <Confirm done={done} byCode={false} />;
  if (factor.error) return <Failed error={factor.error} again={factor.refetch} />;
  if (!factor.data) return <Loader />;
  return factor.data.enabled ? <Confirm done={done} byCode /> : <SignInAnew />;
}

/** Whoever has nothing to confirm with here, but an account elsewhere, is known by signing in with that. */
function SignInAnew() {
  const { t } = useTranslation();
  return (
    <Stack>
      <Text size="sm">{t("confirmBySignIn")}</Text>
      <Button onClick={() => void signOut().catch(tellFailure)}>{t("signOut")}</Button>
    </Stack>
  );
}

function Confirm({ done, byCode }: { done: () => void; byCode: boolean }) {
  const { t } = useTranslation();
  const [value, setValue] = useState("");
  const confirm = useAct(
    () => ask(() => api.POST("/user/confirm", { body: byCode ? { code: value } : { password: value } })),
    { after: done, quiet: true },
  );
  function submit(event: FormEvent) {
    event.preventDefault();
    confirm.mutate();
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        <Text size="sm">{t(byCode ? "confirmByCode" : "confirmByPassword")}</Text>
        {confirm.error ? <Failed error={confirm.error} /> : null}
        {byCode ? (
          <TextInput
            label={t("code")}
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            inputMode="numeric"
            autoComplete="one-time-code"
            data-autofocus
            required
          />
        ) : (
          <PasswordInput
            label={t("password")}
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            autoComplete="current-password"
            data-autofocus
            required
          />
        )}
        <Button type="submit" loading={confirm.isPending}>
          {t("confirm")}
        </Button>
      </Stack>
    </form>
  );
}
