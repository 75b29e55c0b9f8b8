import { useQuery } from "@tanstack/react-query";

import { api, ask, type Schemas } from "../../api";
import type { settings } from "../../locales/en/settings";

export type About = Schemas["OptionAbout"];
export type Name = keyof (typeof settings)["option"];

/** What an option may be, and its value; that of a secret is not known. */
export interface Option extends About {
  value: string;
}

async function everyOption(): Promise<Map<string, Option>> {
  const [abouts, rows] = await Promise.all([ask(() => api.GET("/option/about")), ask(() => api.GET("/option"))]);
  const values = new Map(rows.map(({ key, value }) => [key, value]));
  return new Map(abouts.map((about) => [about.key, Object.assign(about, { value: values.get(about.key) ?? "" })]));
}

export function useOptions() {
  return useQuery({ queryKey: ["options"], queryFn: everyOption });
}

/** What is asked for anew once an option was set: the site shows several of them. */
export const RENEWS = [["options"], ["status"], ["notice"], ["prices"], ["pricing"], ["groups"]];

export function setOption(key: string, value: string) {
  return ask(() => api.PUT("/option", { body: { key, value } }));
}

export interface Section {
  key: keyof (typeof settings)["section"];
  options: readonly Name[];
}

/** Options in dollars here, in quota for the administration. */
export const IN_QUOTA: ReadonlySet<string> = new Set<Name>([
  "QuotaForNewUser",
  "QuotaForInviter",
  "QuotaForInvitee",
  "QuotaRemindThreshold",
]);

export const TABS = {
  general: [
    { key: "site", options: ["SystemName", "Logo", "ServerAddress", "ChatLink", "DisplayInCurrencyEnabled"] },
    { key: "texts", options: ["Notice", "About", "HomePageContent", "Footer"] },
  ],
  signIn: [
    { key: "password", options: ["RegisterEnabled", "PasswordRegisterEnabled", "PasswordLoginEnabled"] },
    {
      key: "domains",
      options: ["EmailVerificationEnabled", "EmailDomainRestrictionEnabled", "EmailDomainWhitelist"],
    },
    { key: "github", options: ["GitHubOAuthEnabled", "GitHubClientId", "GitHubClientSecret"] },
    { key: "oidc", options: ["OidcEnabled", "OidcWellKnown", "OidcClientId", "OidcClientSecret"] },
    { key: "turnstile", options: ["TurnstileCheckEnabled", "TurnstileSiteKey", "TurnstileSecretKey"] },
  ],
  mail: [{ key: "mail", options: ["SMTPServer", "SMTPPort", "SMTPAccount", "SMTPToken", "SMTPFrom"] }],
  money: [
    { key: "quotas", options: ["QuotaForNewUser", "QuotaForInviter", "QuotaForInvitee"] },
    { key: "shop", options: ["TopUpLink"] },
    {
      key: "payment",
      options: [
        "PaymentLink",
        "PaymentCurrency",
        "PaymentPrice",
        "PaymentMinimum",
        "PaymentMaximum",
        "PaymentWebhookSecret",
      ],
    },
  ],
  monitoring: [
    { key: "alerts", options: ["AlertWebhookURL", "AlertWebhookSecret"] },
    { key: "reminders", options: ["QuotaRemindThreshold"] },
    { key: "channels", options: ["AutomaticEnableChannelEnabled"] },
  ],
} as const satisfies Record<string, readonly Section[]>;

/** In which order what was changed is set: an option that is off needs nothing, one that is on needs the others first. */
export function inOrder(changes: [string, string][], options: ReadonlyMap<string, Option>): [string, string][] {
  const place = ([key, value]: [string, string]) =>
    options.get(key)?.kind === "flag" ? (value === "true" ? 2 : 0) : 1;
  return changes.toSorted((a, b) => place(a) - place(b));
}
