import { useEffect, useRef } from "react";

import { api, ask, BASE } from "../../api";
import { beforeSignOut } from "../../session";

const HOUR = 3600;
const SPARE = 300;

interface Made {
  id: number;
  key: string;
  until: number;
}

/** A key for as long as the page is open: made when it is first needed, good for an hour, known to this page alone. */
export function usePageKey(): () => Promise<string> {
  const made = useRef<Promise<Made> | null>(null);
  useEffect(() => {
    async function forget() {
      const before = made.current;
      made.current = null;
      const token = await before?.catch(() => null);
      // What is left of a page that is closed is a request that outlives it.
      if (token) await fetch(`${BASE}api/token/${token.id}`, { method: "DELETE", keepalive: true }).catch(() => null);
    }
    const leave = () => void forget();
    const unregister = beforeSignOut(forget);
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      unregister();
      leave();
    };
  }, []);
  return async () => {
    const present = await made.current?.catch(() => null);
    if (present && present.until - SPARE > Date.now() / 1000) return present.key;
    made.current = make();
    return (await made.current).key;
  };
}

const NAMED = /^Playground [0-9a-f]{8}$/;
const EXPIRED = 3;

/** Each page has a name of its own for it: there may be several. */
async function make(): Promise<Made> {
  await tidy();
  const until = Math.floor(Date.now() / 1000) + HOUR;
  const name = `Playground ${crypto.getRandomValues(new Uint32Array(1))[0]?.toString(16).padStart(8, "0")}`;
  const { id, key } = await ask(() =>
    api.POST("/token", { body: { name, expired_time: until, unlimited_quota: true } }),
  );
  return { id, key, until };
}

/** Deletes what pages have left that could not do so themselves, once it is good for nothing. */
async function tidy(): Promise<void> {
  const query = { keyword: "Playground ", page_size: 100 };
  const rows = await ask(() => api.GET("/token/search", { params: { query } })).catch(() => []);
  const left = rows.filter(({ name, status }) => NAMED.test(name) && status === EXPIRED);
  await Promise.allSettled(left.map(({ id }) => ask(() => api.DELETE("/token/{id}", { params: { path: { id } } }))));
}
