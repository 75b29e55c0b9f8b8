import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";

import { tellDone, tellFailure } from "./failed";

interface Options<T> {
  /** What is asked for anew afterwards. */
  renews?: readonly QueryKey[];
  done?: string | ((value: T) => string);
  after?: (value: T) => void;
  /** Shows a failure in place, rather than in a corner. */
  quiet?: boolean;
}

/** Something that is done: under way, done and told of, or failed and told of. */
export function useAct<V = void, T = unknown>(
  act: (value: V) => Promise<T>,
  { renews = [], done, after, quiet }: Options<T> = {},
) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: async (value) => {
      await Promise.all(renews.map((queryKey) => queries.invalidateQueries({ queryKey })));
      if (done !== undefined) tellDone(typeof done === "string" ? done : done(value));
      after?.(value);
    },
    ...(quiet ? {} : { onError: tellFailure }),
  });
}
