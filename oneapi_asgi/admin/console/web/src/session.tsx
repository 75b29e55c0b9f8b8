/** Who is signed in, and what this site offers. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext } from "react";

import { api, ask, BASE, type Schemas } from "./api";

export type User = Schemas["UserRow"];
export type Status = Schemas["Status"];

export const COMMON = 1;
export const ADMIN = 10;
export const ROOT = 100;

/** Whoever is signed in, null if nobody is. */
export function useMe() {
  return useQuery({ queryKey: ["me"], queryFn: () => ask(() => api.GET("/user/whoami")), staleTime: 30_000 });
}

/** Whom the page is drawn for: the same for all of it, also while it is being found out that they have left. */
export const Present = createContext<User | null>(null);

/** The user of a page that is shown to nobody else. */
export function useUser(): User {
  const user = useContext(Present);
  if (!user) throw new Error("This page is for who has signed in.");
  return user;
}

export function useIsAdmin(): boolean {
  return useUser().role >= ADMIN;
}

export function useIsRoot(): boolean {
  return useUser().role >= ROOT;
}

export function useStatus() {
  return useQuery({ queryKey: ["status"], queryFn: () => ask(() => api.GET("/status")), staleTime: 300_000 });
}

/** Takes the place of all that was known of whoever was here before. */
export function useEnter() {
  const queries = useQueryClient();
  return (user: User) => {
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "status" && queryKey[0] !== "me" });
    queries.setQueryData(["me"], user);
  };
}

/** Begins anew without anybody: nothing of whoever was here stays in the page. */
export function leave(): void {
  location.assign(BASE);
}

const farewells = new Set<() => Promise<void>>();

/** Has something done while the session is still there to do it with; the answer takes that back. */
export function beforeSignOut(farewell: () => Promise<void>): () => void {
  farewells.add(farewell);
  return () => void farewells.delete(farewell);
}

export async function signOut(): Promise<void> {
  await Promise.all([...farewells].map((farewell) => farewell()));
  await ask(() => api.POST("/user/logout"));
  leave();
}
