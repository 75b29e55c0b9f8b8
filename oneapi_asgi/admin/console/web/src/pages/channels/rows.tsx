import { ActionIcon, Autocomplete, Button, Group, Input, Stack, TextInput, Tooltip } from "@mantine/core";
import { IconArrowRight, IconPlus, IconTrash } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

/** `id` is of the row, not of what is in it. */
export interface Pair {
  id: number;
  left: string;
  right: string;
}

interface Props {
  label: string;
  says: string;
  left: string;
  right: string;
  add: string;
  pairs: Pair[];
  onChange: (pairs: Pair[]) => void;
  /** What the left side may well be. */
  suggested?: readonly string[];
  error?: ReactNode;
}

/** Names and what belongs to each, a row for each of them. */
export function PairRows({ label, says, left, right, add, pairs, onChange, suggested, error }: Props) {
  const { t } = useTranslation();
  function change(id: number, part: Partial<Pair>) {
    onChange(pairs.map((pair) => (pair.id === id ? { ...pair, ...part } : pair)));
  }
  function append() {
    onChange([...pairs, { id: Math.max(-1, ...pairs.map(({ id }) => id)) + 1, left: "", right: "" }]);
  }
  return (
    <fieldset className="bare" data-invalid={error ? true : undefined}>
      <Input.Label component="legend">{label}</Input.Label>
      <Input.Description mb="xs">{says}</Input.Description>
      <Stack gap="xs">
        {pairs.map((pair, at) => (
          <Group key={pair.id} gap="xs" wrap="nowrap">
            <Autocomplete
              flex={1}
              aria-label={`${left} ${at + 1}`}
              placeholder={left}
              data={suggested ? [...suggested] : []}
              limit={50}
              value={pair.left}
              onChange={(value) => change(pair.id, { left: value })}
            />
            <IconArrowRight size={16} aria-hidden />
            <TextInput
              flex={1}
              aria-label={`${right} ${at + 1}`}
              placeholder={right}
              value={pair.right}
              onChange={(event) => change(pair.id, { right: event.currentTarget.value })}
            />
            <Tooltip label={t("delete")}>
              <ActionIcon
                aria-label={`${t("delete")}: ${pair.left || at + 1}`}
                onClick={() => onChange(pairs.filter(({ id }) => id !== pair.id))}
              >
                <IconTrash size={16} />
              </ActionIcon>
            </Tooltip>
          </Group>
        ))}
      </Stack>
      <Button
        variant="subtle"
        size="compact-sm"
        leftSection={<IconPlus size={14} />}
        onClick={append}
        mt={pairs.length > 0 ? "xs" : 0}
        ml={-8}
      >
        {add}
      </Button>
      {error ? <Input.Error mt={4}>{error}</Input.Error> : null}
    </fieldset>
  );
}
