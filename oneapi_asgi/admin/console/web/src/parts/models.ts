import { useQuery } from "@tanstack/react-query";

import { api, ask } from "../api";

/** The models that channels of the viewer's group name. */
export function useModels() {
  return useQuery({
    queryKey: ["user", "models"],
    queryFn: () => ask(() => api.GET("/user/available_models")),
    staleTime: 60_000,
  });
}
