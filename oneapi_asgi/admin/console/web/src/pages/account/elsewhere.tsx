import { Alert, Button, Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { api, ask, BASE } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { confirmedByName } from "../../parts/confirm-name";
import { Snippet } from "../../parts/copy";
import { leave, ROOT, useStatus, useUser } from "../../session";
import { Part } from "./part";

/** Accounts elsewhere by which the user signs in; what became of the last try stands in the address. */
export function Elsewhere() {
  const { t } = useTranslation("account");
  const status = useStatus().data;
  const user = useUser();
  const providers = [
    { name: "github", title: "GitHub", bound: user.github_id, offered: status?.github_oauth },
    { name: "oidc", title: "OpenID Connect", bound: user.oidc_id, offered: status?.oidc },
  ].filter(({ bound, offered }) => bound || offered);
  const error = new URLSearchParams(location.search).get("error");
  if (providers.length === 0) return null;
  return (
    <Part title={t("elsewhere")} says={t("elsewhereSays")}>
      {error ? <Alert color="red">{t("elsewhereFailed", { code: error })}</Alert> : null}
      {providers.map(({ name, title, bound }) => (
        <Provider key={name} name={name} title={title} bound={bound} />
      ))}
    </Part>
  );
}

function Provider({ name, title, bound }: { name: string; title: string; bound: string }) {
  const { t } = useTranslation("account");
  const path = { provider: name };
  const next = `${new URL(BASE).pathname}account`;
  const bind = useAct(() => ask(() => api.POST("/oauth/{provider}/start", { params: { path, query: { next } } })), {
    after: ({ url }) => location.assign(url),
  });
  const unbind = useAct(() => ask(() => api.DELETE("/oauth/{provider}/bind", { params: { path } })), {
    renews: [["me"]],
  });
  async function unbindIfSure() {
    const sure = await confirmed({ title: t("unbindTitle", { title }), says: t("unbindSays"), yes: t("unbind") });
    if (sure) unbind.mutate();
  }
  return (
    <Group justify="space-between">
      <Text size="sm">
        {title}
        {bound ? ` · ${bound}` : ""}
      </Text>
      {bound ? (
        <Button
          variant="default"
          loading={unbind.isPending}
          onClick={() => void unbindIfSure()}
          aria-label={`${t("unbind")}: ${title}`}
        >
          {t("unbind")}
        </Button>
      ) : (
        <Button loading={bind.isPending} onClick={() => bind.mutate()} aria-label={`${t("bind")}: ${title}`}>
          {t("bind")}
        </Button>
      )}
    </Group>
  );
}

/** A link by which others come to this site, and who brought them is known. */
export function Invitation() {
  const { t } = useTranslation("account");
  const code = useUser().aff_code;
  const make = useAct(() => ask(() => api.POST("/user/aff")), { renews: [["me"]] });
  async function makeIfSure() {
    const asked = { title: t("inviteTitle"), says: t("inviteReplaces"), yes: t("inviteAnew") };
    if (!code || (await confirmed(asked))) make.mutate();
  }
  return (
    <Part title={t("invite")} says={t("inviteSays")}>
      {code ? <Snippet value={`${BASE}register?aff=${code}`} what={t("invite")} /> : null}
      <Group justify="flex-end">
        <Button variant="default" loading={make.isPending} onClick={() => void makeIfSure()}>
          {code ? t("inviteAnew") : t("inviteMake")}
        </Button>
      </Group>
    </Part>
  );
}

/** The end of an account. */
export function Leave() {
  const { t } = useTranslation("account");
  const user = useUser();
  const remove = useAct(() => ask(() => api.DELETE("/user/self")), { after: leave });
  async function removeIfSure() {
    const sure = await confirmedByName({
      title: t("leave"),
      says: t("leaveSays"),
      name: user.username,
      yes: t("leave"),
    });
    if (sure) remove.mutate();
  }
  if (user.role >= ROOT) return null;
  return (
    <Part title={t("leave")} says={t("leaveSays")}>
      <Group justify="flex-end">
        <Button color="red" variant="light" loading={remove.isPending} onClick={() => void removeIfSure()}>
          {t("leave")}
        </Button>
      </Group>
    </Part>
  );
}
