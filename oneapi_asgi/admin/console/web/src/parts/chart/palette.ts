/** Colours that stay apart for the colour-blind, at 3:1 and more against the panel of each theme; the last is for the rest. */
const LIGHT = ["#3b4fc4", "#c2500a", "#00806a", "#a8327f", "#8a6d00", "#1478a8", "#6b7280"] as const;
const DARK = ["#8c9aea", "#ff9f5a", "#3ecfae", "#e58ac6", "#e0c341", "#6cc4ee", "#9aa0ac"] as const;

/** Lines that can be told apart; what is more than that goes together as the rest. */
export const MOST_LINES = LIGHT.length - 1;

export interface Look {
  lines: readonly string[];
  grid: string;
  text: string;
  panel: string;
}

export function look(dark: boolean): Look {
  return dark
    ? { lines: DARK, grid: "#2b2e38", text: "#a0a4b0", panel: "#1b1d24" }
    : { lines: LIGHT, grid: "#e3e6ec", text: "#5f6673", panel: "#ffffff" };
}
