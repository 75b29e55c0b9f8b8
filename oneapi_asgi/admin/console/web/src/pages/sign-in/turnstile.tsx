import { useMantineColorScheme } from "@mantine/core";
import { useCallbackRef } from "@mantine/hooks";
import i18next from "i18next";
import { useEffect, useRef, useState } from "react";

import { language } from "../../i18n";
import { Failed } from "../../parts/failed";
import { useStatus } from "../../session";

const SCRIPT = "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit";

interface Widget {
  render: (holder: HTMLElement, options: Record<string, unknown>) => string;
  remove: (id: string) => void;
}

declare global {
  // oxlint-disable-next-line no-var
  var turnstile: Widget | undefined;
}

let loading: Promise<Widget> | undefined;

function load(): Promise<Widget> {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = SCRIPT;
    script.addEventListener("load", () =>
      globalThis.turnstile ? resolve(globalThis.turnstile) : reject(new Error(i18next.t("signIn:turnstileFailed"))),
    );
    script.addEventListener("error", () => {
      loading = undefined;
      reject(new Error(i18next.t("signIn:turnstileFailed")));
    });
    document.head.append(script);
  });
  return loading;
}

/** Whether people are asked by Cloudflare's Turnstile to show that they are people; then what shows it, once each. */
export function useTurnstile() {
  const status = useStatus().data;
  const asked = status?.turnstile_check ?? false;
  const [shown, setShown] = useState({ token: "", round: 0 });
  return {
    ready: !asked || shown.token !== "",
    query: asked ? { turnstile: shown.token } : {},
    /** The token was used: another one is needed. */
    used: () => setShown(({ round }) => ({ token: "", round: round + 1 })),
    widget:
      asked && status ? (
        <Challenge
          key={shown.round}
          siteKey={status.turnstile_site_key}
          onToken={(token) => setShown(({ round }) => ({ token, round }))}
        />
      ) : null,
  };
}

function Challenge({ siteKey, onToken }: { siteKey: string; onToken: (token: string) => void }) {
  const holder = useRef<HTMLDivElement>(null);
  const { colorScheme } = useMantineColorScheme();
  const told = useCallbackRef(onToken);
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    let remove = () => {};
    let gone = false;
    void load().then((widget) => {
      if (gone || !holder.current) return;
      const id = widget.render(holder.current, {
        sitekey: siteKey,
        theme: colorScheme,
        language: language(),
        callback: told,
        "expired-callback": () => told(""),
      });
      remove = () => widget.remove(id);
    }, setFailed);
    return () => {
      gone = true;
      remove();
    };
  }, [siteKey, colorScheme, told]);
  return failed === null ? <div ref={holder} /> : <Failed error={failed} again={() => location.reload()} />;
}
