import { Typography } from "@mantine/core";
import { type ComponentProps, lazy, Suspense } from "react";

const Reader = lazy(() => import("react-markdown"));

const LINKS = {
  a: ({ href, children }: ComponentProps<"a">) => (
    <a href={href} rel="noopener noreferrer nofollow" target="_blank">
      {children}
    </a>
  ),
};

/** A text that somebody wrote, as Markdown: HTML in it is shown as text, and links lead to http, https and mailto alone. */
export function Markdown({ text }: { text: string }) {
  return (
    <Suspense>
      <Typography>
        <Reader disallowedElements={["img"]} unwrapDisallowed components={LINKS}>
          {text}
        </Reader>
      </Typography>
    </Suspense>
  );
}
