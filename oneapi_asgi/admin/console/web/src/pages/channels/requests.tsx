import { JsonInput, MultiSelect, NumberInput, Select, SimpleGrid, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { useGroupNames } from "../../parts/group-names";
import { type ChannelForm, OptionField } from "./access";
import type { Kind } from "./data";
import { COMMON_OPTIONS } from "./providers";
import { PairRows } from "./rows";
import { COUNT } from "./values";

/** Who is served by this channel, and when rather than by others. */
export function Routing({ form }: { form: ChannelForm }) {
  const { t } = useTranslation("channels");
  const groups = useGroupNames();
  return (
    <SimpleGrid cols={{ base: 1, sm: 2 }}>
      <TagsInput
        label={t("groups")}
        description={t("form.groupsSays")}
        data={[...groups]}
        splitChars={[",", " "]}
        {...form.getInputProps("group")}
      />
      <SimpleGrid cols={2}>
        <NumberInput
          label={t("priority")}
          description={t("form.prioritySays")}
          min={-1_000_000}
          {...COUNT}
          {...form.getInputProps("priority")}
        />
        <NumberInput
          label={t("weight")}
          description={t("form.weightSays")}
          min={1}
          {...COUNT}
          {...form.getInputProps("weight")}
        />
      </SimpleGrid>
      <NumberInput
        label={t("form.calls")}
        description={t("form.callsSays")}
        min={1}
        {...COUNT}
        {...form.getInputProps("concurrent_calls")}
      />
      <NumberInput
        label={t("form.callsPerKey")}
        description={t("form.callsSays")}
        min={1}
        {...COUNT}
        {...form.getInputProps("concurrent_calls_per_key")}
      />
    </SimpleGrid>
  );
}

/** What is changed of the requests that go out by this channel. */
export function Requests({ form, kinds }: { form: ChannelForm; kinds: readonly Kind[] }) {
  const { t } = useTranslation(["channels", "common"]);
  const kind = kinds.find(({ provider }) => provider === form.values.provider);
  const dialects = [...new Set(kinds.flatMap((one) => one.dialects))].toSorted();
  return (
    <>
      <Textarea
        label={t("form.systemPrompt")}
        description={t("form.systemPromptSays")}
        autosize
        minRows={2}
        maxRows={12}
        {...form.getInputProps("system_prompt")}
      />
      <PairRows
        label={t("form.headers")}
        says={t("form.headersSays")}
        left={t("form.header")}
        right={t("form.headerValue")}
        add={t("form.headerAdd")}
        pairs={form.values.headers}
        onChange={(next) => form.setFieldValue("headers", next)}
        error={form.errors["headers"]}
      />
      <JsonInput
        label={t("form.parameters")}
        description={t("form.parametersSays")}
        placeholder='{"temperature": 0.7}'
        formatOnBlur
        autosize
        minRows={2}
        maxRows={16}
        spellCheck={false}
        {...form.getInputProps("parameters")}
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <TextInput
          label={t("form.proxy")}
          description={t("form.proxySays")}
          placeholder="http://user:password@proxy:3128"
          maxLength={1024}
          {...form.getInputProps("proxy")}
        />
        <Select
          label={t("form.unsupported")}
          description={t("form.unsupportedSays")}
          data={(["drop", "refuse"] as const).map((value) => ({ value, label: t(`form.${value}`) }))}
          allowDeselect={false}
          {...form.getInputProps("unsupported")}
        />
        <MultiSelect
          label={t("form.dialects")}
          description={t("form.dialectsSays")}
          placeholder={form.values.dialects.length > 0 ? "" : kind?.dialects.join(", ")}
          data={dialects}
          clearable
          clearButtonProps={{ "aria-label": t("form.clear") }}
          {...form.getInputProps("dialects")}
        />
        {COMMON_OPTIONS.map((name) => (
          <OptionField key={name} name={name} form={form} kind={kind} />
        ))}
      </SimpleGrid>
    </>
  );
}
