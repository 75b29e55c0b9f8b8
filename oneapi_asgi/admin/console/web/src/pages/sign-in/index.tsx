import { Alert, Anchor, Button, Divider, Group, PasswordInput, Stack, TextInput } from "@mantine/core";
import { IconBrandGithub, IconId } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useSearch } from "wouter";

import { api, ask, BASE } from "../../api";
import { useAct } from "../../parts/act";
import { Failed } from "../../parts/failed";
import { Markdown } from "../../parts/markdown";
import { type User, useEnter, useStatus } from "../../session";
import { Frame } from "./frame";

export default function Login() {
  const { t } = useTranslation("signIn");
  const status = useStatus().data;
  const [owed, setOwed] = useState(new URLSearchParams(useSearch()).get("second_factor") === "required");
  return (
    <Frame
      title={owed ? t("second") : t("title")}
      {...(owed ? { says: t("secondSays") } : {})}
      below={
        <Group gap="lg">
          {owed ? (
            <Anchor component="button" type="button" onClick={() => setOwed(false)}>
              {t("back")}
            </Anchor>
          ) : null}
          {status?.register_enabled ? (
            <Anchor component={Link} href="/register">
              {t("register")}
            </Anchor>
          ) : null}
          <Anchor component={Link} href="/reset">
            {t("forgot")}
          </Anchor>
        </Group>
      }
    >
      {owed ? <Code /> : <Password onOwed={() => setOwed(true)} />}
      {owed ? null : <Elsewhere />}
      {owed ? null : <Home />}
    </Frame>
  );
}

function Password({ onOwed }: { onOwed: () => void }) {
  const { t } = useTranslation("signIn");
  const enter = useEnter();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const login = useAct(() => ask(() => api.POST("/user/login", { body: { username, password } })), {
    quiet: true,
    after: (answer) => ("require_2fa" in answer ? onOwed() : enter(answer as User)),
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    login.mutate();
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        {login.error ? <Failed error={login.error} /> : null}
        <TextInput
          label={t("username")}
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
          autoComplete="username"
          autoFocus
          required
        />
        <PasswordInput
          label={t("password")}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          autoComplete="current-password"
          required
        />
        <Button type="submit" loading={login.isPending} fullWidth>
          {t("enter")}
        </Button>
      </Stack>
    </form>
  );
}

function Code() {
  const { t } = useTranslation("signIn");
  const enter = useEnter();
  const [code, setCode] = useState("");
  const second = useAct(() => ask(() => api.POST("/user/login/2fa", { body: { code } })), {
    quiet: true,
    after: (user) => enter(user),
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    second.mutate();
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        {second.error ? <Failed error={second.error} /> : null}
        <TextInput
          label={t("code")}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
          autoComplete="one-time-code"
          autoFocus
          required
        />
        <Button type="submit" loading={second.isPending} fullWidth>
          {t("enter")}
        </Button>
      </Stack>
    </form>
  );
}

/** What root says to who comes here first, as Markdown. */
function Home() {
  const { data } = useQuery({ queryKey: ["home"], queryFn: () => ask(() => api.GET("/home_page_content")) });
  return data && !/^https?:\/\/\S+$/.test(data) ? <Markdown text={data} /> : null;
}

/** Accounts elsewhere, if the site takes them; what became of the last try stands in the address. */
function Elsewhere() {
  const { t } = useTranslation("signIn");
  const status = useStatus().data;
  const error = new URLSearchParams(location.search).get("error");
  return (
    <>
      {error ? <Alert color="red">{t("elsewhereFailed", { code: error })}</Alert> : null}
      {status?.github_oauth || status?.oidc ? <Divider label={t("or")} /> : null}
      {status?.github_oauth ? (
        <Button
          component="a"
          href={`${BASE}api/oauth/github/start`}
          variant="default"
          leftSection={<IconBrandGithub size={18} />}
        >
          {t("with", { provider: "GitHub" })}
        </Button>
      ) : null}
      {status?.oidc ? (
        <Button component="a" href={`${BASE}api/oauth/oidc/start`} variant="default" leftSection={<IconId size={18} />}>
          {t("with", { provider: "OpenID" })}
        </Button>
      ) : null}
    </>
  );
}
