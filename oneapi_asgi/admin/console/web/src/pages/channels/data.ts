/** What the pages of channels ask the administration for. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { api, ask, type Schemas } from "../../api";
import { useKinds } from "../../parts/kinds";

export type Channel = Schemas["ChannelRow"];
export type ChannelEdit = Schemas["ChannelEdit"];
export type Kind = Schemas["KindRow"];
export type Health = Schemas["ChannelHealthRow"];

export const ENABLED = 1;
export const DISABLED = 2;

/** What the administration's numbers of a status stand for: by hand, or shut off by the gateway. */
export const STATUSES = { 1: "on", 2: "off", 3: "shut" } as const;

/** An edit of keys that changes nothing; why one is off is said as the administration says it. */
export const NO_KEYS_EDIT: Schemas["KeysEdit"] = {
  add: [],
  enable: [],
  disable: [],
  remove: [],
  reason: "switched off by hand",
};

export function useKindNames(): ReadonlyMap<string, string> {
  const kinds = useKinds().data;
  return useMemo(() => new Map(kinds?.map(({ provider, name }) => [provider, name])), [kinds]);
}

export function useTags(): readonly Schemas["TagRow"][] {
  const { data } = useQuery({ queryKey: ["channels", "tags"], queryFn: () => ask(() => api.GET("/channel/tags")) });
  return data ?? [];
}

/** How the channels stand, by their ids; asked for anew while the page is looked at. */
export function useHealth(): ReadonlyMap<number, Health> {
  const { data } = useQuery({
    queryKey: ["health"],
    queryFn: () => ask(() => api.GET("/channel/health")),
    refetchInterval: 5_000,
  });
  return useMemo(() => new Map(data?.map((row) => [row.id, row])), [data]);
}

export function namesOf(text: string): string[] {
  return text ? text.split(",") : [];
}

/** Those that name one model, not many by a wildcard. */
export function singleModels(models: readonly string[]): string[] {
  return models.filter((name) => !/[*?[]/.test(name));
}
