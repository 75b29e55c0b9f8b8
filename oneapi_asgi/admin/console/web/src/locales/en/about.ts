export const about = {
  empty: "Nothing has been written about this site yet.",
  emptyRoot: "Write it under Settings, in Markdown.",
  title: "About this site",
} as const;
