import { useState } from "react";

type Id = string | number;

/** Which of the rows that are seen are chosen: nothing happens to one that a filter has taken out of sight. */
export function useChosen<T>(rows: readonly T[] | undefined, id: (row: T) => Id) {
  const [picked, setPicked] = useState<ReadonlySet<Id>>(new Set());
  const ids = new Set((rows ?? []).map(id).filter((one) => picked.has(one)));
  return { ids, set: setPicked, clear: () => setPicked(new Set()) };
}
