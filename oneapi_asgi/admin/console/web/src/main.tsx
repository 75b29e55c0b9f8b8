import "@mantine/core/styles.css";
import "@mantine/dates/styles.css";
import "@mantine/notifications/styles.css";
import "./style.css";

import { MantineProvider } from "@mantine/core";
import { ModalsProvider } from "@mantine/modals";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, StrictMode, useMemo } from "react";
import { createRoot } from "react-dom/client";
import { useTranslation } from "react-i18next";
import { Router } from "wouter";

import { BASE, Failure } from "./api";
import { App } from "./app";
import { start } from "./i18n";
import { guarded } from "./parts/unsaved";
import { named } from "./theme";

/** The nonce that styles need which are made while the page runs (Content Security Policy). */
const nonce = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "";
Object.assign(globalThis, { __webpack_nonce__: nonce }); // where react-remove-scroll looks for it

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => count < 2 && error instanceof Failure && (error.status === 0 || error.status >= 502),
    },
    mutations: { gcTime: 0 }, // what was sent may be a password or a key
  },
});

function Themed({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const theme = useMemo(() => named(t), [t]);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      {children}
    </MantineProvider>
  );
}

await start();
document.querySelector(".boot")?.remove();
createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Themed>
      <QueryClientProvider client={queries}>
        <ModalsProvider>
          <Notifications position="top-center" />
          <Router base={new URL(BASE).pathname.replace(/\/$/, "")} aroundNav={guarded}>
            <App />
          </Router>
        </ModalsProvider>
      </QueryClientProvider>
    </Themed>
  </StrictMode>,
);
