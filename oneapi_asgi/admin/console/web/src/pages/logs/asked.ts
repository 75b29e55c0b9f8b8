import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api, ask, BASE, list, type Schemas } from "../../api";
import { placed } from "../../parts/deeper";
import { useFilters, usePaging } from "../../parts/paging";
import { timeFilter } from "../../parts/times";
import { useIsAdmin } from "../../session";

export type Entry = Schemas["LogRow"];

/** One API's numbers of what a row is of. */
export const TYPES = { 1: "topup", 2: "call", 3: "manage", 4: "system", 5: "test" } as const;
export type TypeName = (typeof TYPES)[keyof typeof TYPES];
export const CALL = 2;

const NAMES = ["keyword", "type", "time", "since", "until", "model", "token", "username", "channel", "before"] as const;

/** What is looked for, as the address says; `set` begins again at the newest. */
export function useAsked() {
  const [values, setValues] = useFilters(NAMES);
  const paging = usePaging("", 20);
  const admin = useIsAdmin();
  const set = (change: Partial<Record<(typeof NAMES)[number], string>>) => setValues({ before: "", ...change });
  return { values, set, paging, admin };
}

export type Asked = ReturnType<typeof useAsked>;

function filters({ values, admin }: Asked) {
  return {
    type: Number(values.type) || 0,
    ...timeFilter(values),
    ...(values.model ? { model_name: values.model } : {}),
    ...(values.token ? { token_name: values.token } : {}),
    ...(admin && values.username ? { username: values.username } : {}),
    ...(admin && values.channel ? { channel: Number(values.channel) || 0 } : {}),
  };
}

/** A page of the rows. */
export function useEntries(asked: Asked) {
  const { values, paging, admin } = asked;
  const query = { ...placed(paging, values.before), ...filters(asked), keyword: values.keyword };
  return useQuery({
    queryKey: ["log", admin, query],
    queryFn: () =>
      admin
        ? list(() => api.GET("/log/search", { params: { query } }))
        : list(() => api.GET("/log/self/search", { params: { query } })),
    placeholderData: keepPreviousData,
  });
}

/** What the calls that are looked for cost together; null where calls are not looked for, or by a keyword. */
export function useSpent(asked: Asked) {
  const { admin, values } = asked;
  const query = filters(asked);
  const enabled = !values.keyword && (query.type === 0 || query.type === CALL);
  const { data } = useQuery({
    queryKey: ["log", "stat", admin, query],
    queryFn: () =>
      admin
        ? ask(() => api.GET("/log/stat", { params: { query } }))
        : ask(() => api.GET("/log/self/stat", { params: { query } })),
    enabled,
    placeholderData: keepPreviousData,
  });
  return enabled ? data : null;
}

export const FORMATS = ["csv", "jsonl", "parquet"] as const;

export function exported(asked: Asked, format: (typeof FORMATS)[number]): string {
  const query = Object.entries({ ...filters(asked), keyword: asked.values.keyword, format }).map(([name, value]) => [
    name,
    String(value),
  ]);
  return `${BASE}api/log/${asked.admin ? "" : "self/"}export?${new URLSearchParams(query)}`;
}

/** Names of channels by their ids, for administrators. */
export function useChannelNames(): ReadonlyMap<number, string> {
  const admin = useIsAdmin();
  const { data } = useQuery({
    queryKey: ["channels", "names"],
    queryFn: () => list(() => api.GET("/channel", { params: { query: { page_size: 1000 } } })),
    enabled: admin,
    staleTime: 60_000,
    select: ({ rows }) => new Map(rows.map(({ id, name }) => [id, name])),
  });
  return data ?? NOBODY;
}

const NOBODY: ReadonlyMap<number, string> = new Map();
