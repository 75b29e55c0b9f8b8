import i18next from "i18next";
import { useEffect, useId } from "react";
import type { AroundNavHandler } from "wouter";

import { confirmed } from "./confirm";

// The Navigation API, which TypeScript's library does not know yet, nor does every browser.
interface NavigateEvent extends Event {
  readonly navigationType: string;
  readonly destination: { readonly key: string };
}
interface Navigation {
  addEventListener(type: "navigate", listener: (event: NavigateEvent) => void): void;
  traverseTo(key: string): void;
}
declare global {
  interface Window {
    readonly navigation?: Navigation;
  }
}

/** Forms with changes that nobody has saved yet. */
const unsaved = new Set<string>();

window.addEventListener("beforeunload", (event) => {
  if (unsaved.size > 0) event.preventDefault();
});

// The browser's own buttons, back and forward: a browser that does not tell of them goes where they lead.
window.navigation?.addEventListener("navigate", (event) => {
  if (unsaved.size === 0 || event.navigationType !== "traverse" || !event.cancelable) return;
  event.preventDefault();
  void mayLeave().then((sure) => {
    if (sure) window.navigation?.traverseTo(event.destination.key);
  });
});

/** Whoever leaves is asked first, as long as a form is `changed`. Call what is returned when it is saved: what comes
 * next may be another page, before this one is drawn anew. */
export function useUnsaved(changed: boolean): () => void {
  const id = useId();
  useEffect(() => {
    if (changed) unsaved.add(id);
    return () => void unsaved.delete(id);
  }, [changed, id]);
  return () => void unsaved.delete(id);
}

/** Whether nothing is lost, or whoever is here says that it may be: then nobody is asked once more. */
export async function mayLeave(): Promise<boolean> {
  if (unsaved.size === 0) return true;
  const sure = await confirmed({
    title: i18next.t("unsaved.title"),
    says: i18next.t("unsaved.says"),
    yes: i18next.t("unsaved.leave"),
  });
  if (sure) unsaved.clear();
  return sure;
}

/** Around every way to another page that is the console's own. */
export const guarded: AroundNavHandler = async (navigate, to, options) => {
  // at once if nothing is lost: many a caller looks at the address right after
  if (unsaved.size === 0 || (await mayLeave())) navigate(to, options);
};
