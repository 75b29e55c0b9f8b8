import { Box } from "@mantine/core";

import { Markdown } from "../parts/markdown";
import { useStatus } from "../session";

/** What root has every page end with, as Markdown. */
export function Footer() {
  const text = useStatus().data?.footer_html;
  if (!text) return null;
  return (
    <Box component="footer" mt="xl" pt="md" fz="sm" c="dimmed" className="footer">
      <Markdown text={text} />
    </Box>
  );
}
