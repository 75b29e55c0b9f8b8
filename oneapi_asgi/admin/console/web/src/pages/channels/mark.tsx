import { Avatar } from "@mantine/core";

const COLORS = ["blue", "cyan", "grape", "indigo", "orange", "pink", "teal", "violet"];

/** The letter of a provider, in a colour of its own. */
export function Mark({ provider, name, size = 30 }: { provider: string; name: string; size?: number }) {
  let sum = 0;
  for (const letter of provider) sum = (sum * 31 + letter.charCodeAt(0)) % 1009;
  return (
    <Avatar size={size} radius="md" variant="filled" color={COLORS[sum % COLORS.length] ?? "blue"} aria-hidden>
      {name.slice(0, 1).toUpperCase()}
    </Avatar>
  );
}
