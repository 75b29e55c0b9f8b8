import { useSearchParams } from "wouter";

import type { Paging } from "./table";

/** The filters of a list, kept in the address: a link shows the same list, and "back" the one before. */
export function useFilters<K extends string>(
  names: readonly K[],
): [Record<K, string>, (change: Partial<Record<K, string>>) => void] {
  const [params, setParams] = useSearchParams();
  const values = Object.fromEntries(names.map((name) => [name, params.get(name) ?? ""])) as Record<K, string>;
  function set(change: Partial<Record<K, string>>) {
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries<string | undefined>(change)) {
          if (value) next.set(name, value);
          else next.delete(name);
        }
        next.delete("page");
        return next;
      },
      { replace: true },
    );
  }
  return [values, set];
}

/** Which page of a list is shown, kept in the address too. */
export function usePaging(order = "", size = 20): Paging {
  const [params, setParams] = useSearchParams();
  return {
    page: Math.max(0, Number(params.get("page") ?? 1) - 1 || 0),
    size: Number(params.get("size")) || size,
    order: params.get("order") ?? order,
    set: (change) =>
      setParams((before) => {
        const next = new URLSearchParams(before);
        if (change.page !== undefined) next.set("page", String(change.page + 1));
        if (change.size !== undefined) next.set("size", String(change.size));
        if (change.order !== undefined) next.set("order", change.order);
        return next;
      }),
  };
}
