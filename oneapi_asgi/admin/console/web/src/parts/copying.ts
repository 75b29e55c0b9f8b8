import i18next from "i18next";
import { useEffect, useState } from "react";

import { tellFailure } from "./failed";

/** Milliseconds for which it is said that something was copied. */
const SHOWN = 1500;

/** Copies a text. Browsers have a clipboard for pages of https and of this machine alone; for others there is the way of
 * before, by a selection. */
export function useCopying() {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN);
    return () => clearTimeout(timer);
  }, [copied]);
  async function copy(text: string) {
    const done = await written(text);
    setCopied(done);
    if (!done) tellFailure(new Error(i18next.t("notCopied")));
  }
  return { copied, copy: (text: string) => void copy(text) };
}

async function written(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return selected(text);
  }
}

function selected(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden-copy";
  // within a dialog, which keeps the focus
  (focused?.closest("[role=dialog]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}
