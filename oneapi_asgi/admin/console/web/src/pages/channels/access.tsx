import {
  Autocomplete,
  Group,
  Input,
  Select,
  type SelectProps,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import { useTranslation } from "react-i18next";

import type { Kind } from "./data";
import { Mark } from "./mark";
import {
  BASE_URLS,
  isMeant,
  isRequired,
  KNOWN_OPTIONS,
  type KnownOption,
  OPTION_VALUES,
  ownOptions,
} from "./providers";
import type { Values } from "./values";

export type ChannelForm = UseFormReturnType<Values>;

/** Which provider, where, and what it wants to know beside a key. */
export function Access({ form, kinds, fresh }: { form: ChannelForm; kinds: readonly Kind[]; fresh: boolean }) {
  const { t } = useTranslation("channels");
  const { provider, base_url: url } = form.values;
  const kind = kinds.find((one) => one.provider === provider);
  const options = ownOptions(kind, url);
  function choose(next: string | null) {
    form.setFieldValue("provider", next ?? "");
    if (fresh && (form.values.name === "" || form.values.name === provider)) form.setFieldValue("name", next ?? "");
  }
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <ProviderSelect
          kinds={kinds}
          label={t("provider")}
          description={t("form.providerSays")}
          {...form.getInputProps("provider")}
          onChange={choose}
          required
        />
        <TextInput
          label={t("form.name")}
          description={t("form.nameSays")}
          maxLength={255}
          required
          {...form.getInputProps("name")}
        />
      </SimpleGrid>
      {kind?.note ? (
        <Text size="sm" c="dimmed">
          {kind.note}
        </Text>
      ) : null}
      <TextInput
        label={t("form.baseUrl")}
        description={t(kind && !kind.base_url ? "form.baseUrlNeeded" : "form.baseUrlSays")}
        placeholder={kind?.base_url || (kind && (BASE_URLS[kind.provider] ?? "https://llm.example.com/v1"))}
        required={kind !== undefined && !kind.base_url}
        inputMode="url"
        maxLength={1024}
        {...form.getInputProps("base_url")}
      />
      {options.length > 0 ? (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          {options.map((name) => (
            <OptionField key={name} name={name} form={form} kind={kind} />
          ))}
        </SimpleGrid>
      ) : null}
      {form.errors["options"] ? <Input.Error>{form.errors["options"]}</Input.Error> : null}
    </>
  );
}

/** A provider of the catalog, looked for by any of its names. */
export function ProviderSelect({ kinds, ...props }: { kinds: readonly Kind[] } & Omit<SelectProps, "data">) {
  const { t } = useTranslation("channels");
  const byId = new Map(kinds.map((kind) => [kind.provider, kind]));
  return (
    <Select
      data={kinds.map(({ provider, name }) => ({ value: provider, label: name }))}
      searchable
      allowDeselect={false}
      maxDropdownHeight={340}
      nothingFoundMessage={t("form.noProvider")}
      filter={({ options, search }) => {
        const typed = search.trim();
        return options.filter((option) => {
          const kind = "value" in option ? byId.get(String(option.value)) : undefined;
          return kind !== undefined && isMeant(kind, typed);
        });
      }}
      renderOption={({ option }) => (
        <Group gap="sm" wrap="nowrap">
          <Mark provider={option.value} name={option.label} size={26} />
          <Stack gap={0} miw={0}>
            <Text size="sm">{option.label}</Text>
            <Text size="xs" c="dimmed" truncate>
              {byId.get(option.value)?.base_url}
            </Text>
          </Stack>
        </Group>
      )}
      {...props}
    />
  );
}

function isKnown(name: string): name is KnownOption {
  const known: readonly string[] = KNOWN_OPTIONS;
  return known.includes(name);
}

/** One option of a provider, with its usual values. */
export function OptionField({ name, form, kind }: { name: string; form: ChannelForm; kind: Kind | undefined }) {
  const { t } = useTranslation("channels");
  const [label, says] = isKnown(name)
    ? [t(`option.${name}.label`), t(`option.${name}.says`)]
    : [name, kind?.options[name]?.replace(/^required: */, "") ?? ""];
  return (
    <Autocomplete
      label={label}
      description={says}
      data={[...(OPTION_VALUES[name] ?? [])]}
      required={isRequired(kind, name)}
      value={form.values.options[name] ?? ""}
      onChange={(value) => {
        form.setFieldValue("options", { ...form.values.options, [name]: value });
        form.clearFieldError(`options.${name}`);
      }}
      error={form.errors[`options.${name}`]}
    />
  );
}
