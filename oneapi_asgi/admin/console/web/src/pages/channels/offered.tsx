import { Button, Checkbox, Group, Modal, ScrollArea, Stack, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import { number } from "../../format";
import { useFocusBack } from "../../parts/focus-back";

const MOST_SHOWN = 200;

interface Props {
  offered: readonly string[];
  present: readonly string[];
  take: (models: string[]) => void;
  close: () => void;
}

/** What the upstream lists, to choose from; those that are chosen already are. What it does not list stays. */
export function OfferedDialog({ offered, present, take, close }: Props) {
  useFocusBack();
  const { t } = useTranslation(["channels", "common"]);
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(
    () => new Set(present.length > 0 ? offered.filter((name) => present.includes(name)) : offered),
  );
  const found = useMemo(
    () => offered.filter((name) => name.toLowerCase().includes(typed.trim().toLowerCase())),
    [offered, typed],
  );
  const all = found.length > 0 && found.every((name) => chosen.has(name));
  function set(names: readonly string[], on: boolean) {
    const next = new Set(chosen);
    for (const name of names) {
      if (on) next.add(name);
      else next.delete(name);
    }
    setChosen(next);
  }
  function apply() {
    const listed = new Set(offered);
    const kept = present.filter((name) => !listed.has(name) || chosen.has(name));
    take([...new Set([...kept, ...offered.filter((name) => chosen.has(name))])]);
    close();
  }
  return (
    <Modal
      opened
      onClose={close}
      title={t("offered.title", { count: offered.length, formatted: number(offered.length) })}
      size="lg"
    >
      <Stack>
        <TextInput
          type="search"
          aria-label={t("common:search")}
          placeholder={t("common:search")}
          leftSection={<IconSearch size={16} aria-hidden />}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          data-autofocus
        />
        <Checkbox
          label={t("common:chooseAll")}
          checked={all}
          indeterminate={!all && found.some((name) => chosen.has(name))}
          onChange={() => set(found, !all)}
        />
        <ScrollArea.Autosize mah={360} type="auto" viewportProps={{ tabIndex: 0 }}>
          <Stack gap={8}>
            {found.slice(0, MOST_SHOWN).map((name) => (
              <Checkbox
                key={name}
                label={name}
                checked={chosen.has(name)}
                onChange={(event) => set([name], event.currentTarget.checked)}
              />
            ))}
          </Stack>
        </ScrollArea.Autosize>
        {found.length > MOST_SHOWN ? (
          <Text size="sm" c="dimmed">
            {t("modelsMore", { count: found.length - MOST_SHOWN })}
          </Text>
        ) : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t("common:cancel")}
          </Button>
          <Button onClick={apply}>{t("offered.take", { count: chosen.size })}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
