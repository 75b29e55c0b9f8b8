import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";

import { api, ask } from "../../api";
import { useFilters } from "../../parts/paging";
import { useIsAdmin } from "../../session";
import { dayOf, isRange, type Range, range } from "./range";
import { type Row, type Split, timeOf } from "./sums";

const NAMES = ["range", "from", "to", "by", "model", "user", "token", "channel"] as const;
export const SPLITS: readonly Split[] = ["model", "token", "user", "channel"];

/** What is looked at, as the address says. */
export function useAsked() {
  const [values, set] = useFilters(NAMES);
  const admin = useIsAdmin();
  const splits = admin ? SPLITS : SPLITS.filter((split) => split !== "user" && split !== "channel");
  const name = isRange(values.range) ? values.range : "7d";
  const split = values.by === "all" ? null : (splits.find((known) => known === values.by) ?? "model");
  return { values, set, splits, name, split, span: range(name, values.from, values.to) };
}

export type Asked = ReturnType<typeof useAsked>;

/** The filters of the administration. */
export function filters({ values }: Asked) {
  return {
    ...(values.model ? { model_name: values.model } : {}),
    ...(values.user ? { username: values.user } : {}),
    ...(values.token ? { token_id: Number(values.token) || 0 } : {}),
    ...(values.channel ? { channel: Number(values.channel) || 0 } : {}),
  };
}

function wanted(asked: Asked, by: string, since: number, until: number) {
  const query = { by, since: dayOf(since), until: dayOf(until - 1), ...filters(asked) };
  return {
    queryKey: ["statistics", query, since, until],
    queryFn: async () => {
      const rows = await ask(() => api.GET("/statistics", { params: { query } }));
      return by.startsWith("hour") ? rows.filter((row) => within(row, since, until)) : rows;
    },
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  };
}

function within(row: Row, since: number, until: number): boolean {
  const at = timeOf(row);
  return at >= since && at < until;
}

/** Over time, by what is chosen. */
export function useOverTime(asked: Asked) {
  const { since, until, step } = asked.span;
  return useQuery(wanted(asked, asked.split ? `${step},${asked.split}` : step, since, until));
}

/** Of the span before, in all. */
export function useBefore(asked: Asked) {
  const { since, until, before, step } = asked.span;
  return useQuery(wanted(asked, step, before, before + (until - since)));
}

/** By each of the splits, for the tables of who and what is at the top. */
export function useTops(asked: Asked) {
  const { since, until, step }: Range = asked.span;
  return useQueries({
    queries: asked.splits.map((split) => wanted(asked, step === "hour" ? `hour,${split}` : split, since, until)),
  });
}
