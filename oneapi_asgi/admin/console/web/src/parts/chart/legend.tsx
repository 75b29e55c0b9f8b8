import { Group, Text, UnstyledButton, useComputedColorScheme } from "@mantine/core";

import { look } from "./palette";
import type { Line } from "./series";
import { Swatch } from "./swatch";

interface Props {
  lines: readonly Line[];
  hidden: ReadonlySet<string>;
  toggle: (key: string) => void;
  label: string;
}

/** Which colour is which; a click hides a line, and shows it again. */
export function Legend({ lines, hidden, toggle, label }: Props) {
  const colours = look(useComputedColorScheme("light") === "dark");
  return (
    <Group component="fieldset" gap={4} px="xs" pb="xs" m={0} bd={0} aria-label={label}>
      {lines.map((line, place) => {
        const off = hidden.has(line.key);
        return (
          <UnstyledButton
            key={line.key}
            className="legend"
            aria-pressed={!off}
            onClick={() => toggle(line.key)}
            title={line.label}
          >
            <Swatch colour={colours.lines[line.colour ?? place] ?? colours.text} off={off} />
            <Text size="xs" truncate maw={180} td={off ? "line-through" : undefined} c={off ? "dimmed" : undefined}>
              {line.label}
            </Text>
          </UnstyledButton>
        );
      })}
    </Group>
  );
}
