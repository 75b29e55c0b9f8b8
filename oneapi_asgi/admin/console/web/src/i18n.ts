/** Two languages: English is in the bundle, Chinese comes when it is chosen. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import * as en from "./locales/en";

export type Language = "en" | "zh";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "common";
    resources: typeof en;
  }
}

export function language(): Language {
  return document.documentElement.lang.startsWith("zh") ? "zh" : "en";
}

/** A language for `Intl`. */
export function locale(): string {
  return language() === "zh" ? "zh-CN" : "en-US";
}

async function load(next: Language): Promise<void> {
  if (next === "zh" && !i18next.hasResourceBundle("zh", "common")) {
    const zh = await import("./locales/zh");
    for (const [name, texts] of Object.entries(zh)) i18next.addResourceBundle("zh", name, texts);
  }
}

export async function start(): Promise<void> {
  await i18next.use(initReactI18next).init({
    resources: { en },
    lng: "en",
    fallbackLng: "en",
    defaultNS: "common",
    interpolation: { escapeValue: false }, // React escapes
  });
  if (language() === "zh") {
    await load("zh");
    await i18next.changeLanguage("zh");
  }
}

export async function choose(next: Language): Promise<void> {
  await load(next);
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  localStorage.setItem("language", next);
  await i18next.changeLanguage(next);
}
