import { useEffect, useState } from "react";

/** Gives the focus back to what had it, once a dialog goes that is there only while it is open; unless another one has
 * come in its place. */
export function useFocusBack() {
  const [before] = useState(() => document.activeElement);
  useEffect(
    () => () =>
      void setTimeout(() => {
        const free = document.activeElement === document.body && !document.querySelector("[role=dialog]");
        if (free && before instanceof HTMLElement) before.focus();
      }),
    [before],
  );
}
