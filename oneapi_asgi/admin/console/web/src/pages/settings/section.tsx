import { Button, Group, Paper, Stack, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { BASE, Failure } from "../../api";
import { Failed, tellDone } from "../../parts/failed";
import { useUnsaved } from "../../parts/unsaved";
import { settings as en } from "../../locales/en/settings";
import { Control } from "./control";
import { inOrder, type Name, type Option, RENEWS, type Section, setOption } from "./options";

/** Options that are saved together: those that were changed, and what is wrong with one stands at it. */
export function SectionForm({ section, options }: { section: Section; options: ReadonlyMap<string, Option> }) {
  const { t } = useTranslation(["settings", "common"]);
  const queries = useQueryClient();
  const [changes, setChanges] = useState<Record<string, string>>({});
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useUnsaved(Object.keys(changes).length > 0);

  function change(name: Name, value: string | null) {
    const option = options.get(name);
    const { [name]: _, ...others } = changes;
    const same = value === null || (option?.kind !== "secret" && value === option?.value);
    setChanges(same ? others : { ...others, [name]: value });
    setErrors(({ [name]: __, ...rest }) => rest);
  }

  async function save(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    const wrong: Record<string, string> = {};
    const left = { ...changes };
    for (const [name, value] of inOrder(Object.entries(changes), options)) {
      try {
        await setOption(name, value); // oxlint-disable-line no-await-in-loop -- one may need another
        delete left[name];
      } catch (error) {
        if (!(error instanceof Failure) || error.code !== "invalid_option") {
          setFailure(error);
          break;
        }
        wrong[name] = error.message;
      }
    }
    await Promise.all(RENEWS.map((queryKey) => queries.invalidateQueries({ queryKey })));
    setChanges(left);
    setErrors(wrong);
    setBusy(false);
    if (Object.keys(left).length === 0) tellDone(t("common:saved"));
  }

  const title = t(`section.${section.key}`);
  return (
    <Paper component="form" withBorder p="lg" onSubmit={save} className="panel" aria-label={title}>
      <Stack>
        <Title order={2} size="h4">
          {title}
        </Title>
        {failure ? <Failed error={failure} /> : null}
        {section.options.map((name) => {
          const option = options.get(name);
          if (!option) return null;
          return (
            <Control
              key={name}
              option={option}
              label={t(`option.${name}`)}
              description={hasHint(name) ? t(`hint.${name}`, { address: BASE }) : undefined}
              value={changes[name] ?? (option.kind === "secret" ? null : option.value)}
              error={errors[name]}
              set={(value) => change(name, value)}
            />
          );
        })}
        <Group>
          <Button type="submit" loading={busy} disabled={Object.keys(changes).length === 0}>
            {t("common:save")}
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}

function hasHint(name: Name): name is Name & keyof typeof en.hint {
  return name in en.hint;
}
