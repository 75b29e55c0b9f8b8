import { useQuery } from "@tanstack/react-query";

import { api, ask } from "../../api";

/** The groups that there are prices of; users and channels may have others. */
export function useGroupNames(): string[] {
  const { data } = useQuery({ queryKey: ["groups", "names"], queryFn: () => ask(() => api.GET("/group")) });
  return data ?? [];
}
