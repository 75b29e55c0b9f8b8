import { useQuery } from "@tanstack/react-query";

import { api, ask } from "../api";

/** The models that channels of the viewer's group name. */
export function useModels() {
  return useQuery({
    queryKey: ["channels", "models"],
    queryFn: () => ask(() => api.GET("/user/available_models")),
    staleTime: 60_000,
  });
}

/** The models that are known of each type of channel. */
export function useKnownModels(): Readonly<Record<string, string[]>> {
  const { data } = useQuery({
    queryKey: ["models", "known"],
    queryFn: () => ask(() => api.GET("/models")),
    staleTime: 300_000,
  });
  return data ?? {};
}
