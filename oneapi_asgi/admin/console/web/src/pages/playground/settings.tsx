import {
  NumberInput,
  PasswordInput,
  SegmentedControl,
  Select,
  Slider,
  Stack,
  Switch,
  Text,
  Textarea,
} from "@mantine/core";
import { useTranslation } from "react-i18next";

import { Failed } from "../../parts/failed";
import { useModels } from "../../parts/models";
import type { Settings } from "./talk";

export interface Choice {
  settings: Settings;
  /** A key that was pasted; null for one of the page's own. */
  pasted: string | null;
}

export function SettingsPanel({ choice, set }: { choice: Choice; set: (choice: Choice) => void }) {
  const { t } = useTranslation("playground");
  const { settings, pasted } = choice;
  const models = useModels();
  function change(part: Partial<Settings>) {
    set({ ...choice, settings: { ...settings, ...part } });
  }
  return (
    <Stack gap="md">
      {models.error ? <Failed error={models.error} again={models.refetch} /> : null}
      <Select
        label={t("model")}
        placeholder={models.isPending ? "…" : t("noModels")}
        data={models.data ?? []}
        value={settings.model || null}
        onChange={(model) => change({ model: model ?? "" })}
        searchable
        allowDeselect={false}
        nothingFoundMessage={t("noModels")}
      />
      <Textarea
        label={t("system")}
        placeholder={t("systemSays")}
        value={settings.system}
        onChange={(event) => change({ system: event.currentTarget.value })}
        autosize
        minRows={2}
        maxRows={8}
      />
      <div>
        <Switch
          label={t("temperature")}
          description={settings.temperature === null ? t("temperatureSays") : undefined}
          checked={settings.temperature !== null}
          onChange={(event) => change({ temperature: event.currentTarget.checked ? 1 : null })}
        />
        {settings.temperature === null ? null : (
          <Slider
            mt="sm"
            mb="lg"
            min={0}
            max={2}
            step={0.1}
            value={settings.temperature}
            onChange={(temperature) => change({ temperature })}
            label={(value) => value.toFixed(1)}
            thumbLabel={t("temperature")}
            marks={[0, 1, 2].map((value) => ({ value, label: String(value) }))}
          />
        )}
      </div>
      <NumberInput
        label={t("maxTokens")}
        placeholder={t("maxTokensSays")}
        value={settings.maxTokens ?? ""}
        onChange={(value) => change({ maxTokens: value === "" ? null : Number(value) })}
        min={1}
        allowDecimal={false}
        thousandSeparator
      />
      <div>
        <Text size="sm" fw={600} mb={4} id="key-of-what">
          {t("key")}
        </Text>
        <SegmentedControl
          fullWidth
          aria-labelledby="key-of-what"
          value={pasted === null ? "page" : "own"}
          onChange={(value) => set({ ...choice, pasted: value === "own" ? "" : null })}
          data={[
            { value: "page", label: t("keyOfPage") },
            { value: "own", label: t("keyOfOwn") },
          ]}
        />
        {pasted === null ? (
          <Text size="xs" c="dimmed" mt={6}>
            {t("keySays")}
          </Text>
        ) : (
          <PasswordInput
            mt={6}
            aria-label={t("keyOfOwn")}
            placeholder="sk-…"
            value={pasted}
            onChange={(event) => set({ ...choice, pasted: event.currentTarget.value.trim() })}
            autoComplete="off"
          />
        )}
      </div>
    </Stack>
  );
}
