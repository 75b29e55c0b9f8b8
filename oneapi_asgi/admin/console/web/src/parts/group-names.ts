import { useQuery } from "@tanstack/react-query";

import { api, ask } from "../api";

/** The groups that there are prices of; users and channels may have others. Administrators alone may ask. */
export function useGroupNames(asked = true): string[] {
  const { data } = useQuery({
    queryKey: ["groups", "names"],
    queryFn: () => ask(() => api.GET("/group")),
    enabled: asked,
  });
  return data ?? [];
}
