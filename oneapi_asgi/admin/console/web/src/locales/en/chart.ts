export const chart = {
  asChart: "Show as chart",
  asTable: "Show as table",
  day: "Day (UTC)",
  hour: "Hour",
  legend: "Lines of {{title}}: choose which are shown",
  nothing: "Nothing",
  sum: "Together",
} as const;
