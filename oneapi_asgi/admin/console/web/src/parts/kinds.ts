import { useQuery } from "@tanstack/react-query";

import { api, ask } from "../api";

/** The providers that a channel can be of. */
export function useKinds() {
  return useQuery({ queryKey: ["kinds"], queryFn: () => ask(() => api.GET("/channel/types")), staleTime: 300_000 });
}
