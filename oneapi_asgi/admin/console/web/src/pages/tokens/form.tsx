import "dayjs/locale/zh-cn";

import { Button, Group, Modal, NumberInput, Select, Stack, Switch, TagsInput, TextInput } from "@mantine/core";
import { DateTimePicker } from "@mantine/dates";
import { useForm } from "@mantine/form";
import dayjs from "dayjs";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { QUOTA_PER_DOLLAR, quotaOfDollars } from "../../format";
import { language } from "../../i18n";
import { useAct } from "../../parts/act";
import { atField } from "../../parts/at-field";
import { DollarsInput } from "../../parts/dollars";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";
import { useGroupNames } from "../../parts/group-names";
import { useModels } from "../../parts/models";
import { useIsAdmin, useUser } from "../../session";

type Token = Schemas["TokenRow"];

const WRITTEN = "YYYY-MM-DD HH:mm:ss";
const SPANS = [
  ["never", null],
  ["hour", [1, "hour"]],
  ["day", [1, "day"]],
  ["week", [7, "day"]],
  ["month", [30, "day"]],
  ["year", [1, "year"]],
] as const;

/** The form's fields, by the administration's names. */
const FIELDS = {
  name: "name",
  models: "models",
  subnet: "subnets",
  expired_time: "expires",
  remain_quota: "dollars",
  requests_per_minute: "rate",
  group: "group",
} as const;

interface Props {
  /** The token to be changed; none to make one. */
  token: Token | null;
  onClose: () => void;
  onMade: (token: Token) => void;
}

export default function TokenForm({ token, onClose, onMade }: Props) {
  useFocusBack();
  const { t } = useTranslation(["tokens", "common"]);
  const models = useModels();
  const form = useForm({
    initialValues: {
      name: token?.name ?? "",
      models: listed(token?.models),
      subnets: listed(token?.subnet),
      expires: token && token.expired_time > 0 ? dayjs.unix(token.expired_time).format(WRITTEN) : null,
      unlimited: token?.unlimited_quota ?? false,
      dollars: token && !token.unlimited_quota ? token.remain_quota / QUOTA_PER_DOLLAR : (1 as number | string),
      rate: token?.requests_per_minute ?? ("" as number | string),
      group: token?.group ?? "",
    },
    validate: { name: (value) => (value.trim() ? null : t("form.nameMissing")) },
  });
  const { values } = form;
  const save = useAct(
    () => {
      const body: Schemas["TokenEdit"] = {
        name: values.name.trim(),
        models: values.models.join(","),
        subnet: values.subnets.join(","),
        expired_time: values.expires ? dayjs(values.expires).unix() : -1,
        unlimited_quota: values.unlimited,
        requests_per_minute: values.rate === "" ? null : Number(values.rate),
        // What is spent meanwhile is not given back by saving something else.
        ...(!values.unlimited && (token?.unlimited_quota !== false || form.isDirty("dollars"))
          ? { remain_quota: quotaOfDollars(Number(values.dollars)) }
          : {}),
        ...(form.isDirty("group") ? { group: values.group || null } : {}),
      };
      return token
        ? ask(() => api.PUT("/token", { body: { ...body, id: token.id } }))
        : ask(() => api.POST("/token", { body }));
    },
    {
      quiet: true,
      renews: [["token"]],
      ...(token ? { done: t("common:saved") } : {}),
      after: (row) => (token ? onClose() : onMade(row)),
    },
  );
  function submit() {
    save.mutate(undefined, {
      onError: (error) => {
        if (atField(error, form, FIELDS)) save.reset();
      },
    });
  }
  return (
    <Modal opened onClose={onClose} size="lg" title={token ? t("form.edit", { name: token.name }) : t("add")}>
      <form onSubmit={form.onSubmit(submit)}>
        <Stack>
          {save.error ? <Failed error={save.error} /> : null}
          <TextInput
            label={t("common:name")}
            description={t("form.nameSays")}
            maxLength={100}
            data-autofocus
            required
            {...form.getInputProps("name")}
          />
          <Quota form={form} overdrawn={token !== null && token.remain_quota < 0} />
          <Expiry value={values.expires} set={(value) => form.setFieldValue("expires", value)} />
          <TagsInput
            label={t("models")}
            description={t("form.modelsSays")}
            placeholder={values.models.length > 0 ? "" : t("form.modelsAll")}
            data={models.data ?? []}
            splitChars={[",", " "]}
            clearable
            clearButtonProps={{ "aria-label": t("form.clear") }}
            {...form.getInputProps("models")}
          />
          <TagsInput
            label={t("form.subnets")}
            description={t("form.subnetsSays")}
            placeholder={values.subnets.length > 0 ? "" : "192.0.2.0/24"}
            splitChars={[",", " "]}
            {...form.getInputProps("subnets")}
          />
          <Group grow align="flex-start">
            <NumberInput
              label={t("form.rate")}
              description={t("form.rateSays")}
              min={1}
              max={1_000_000_000}
              allowDecimal={false}
              thousandSeparator
              {...form.getInputProps("rate")}
            />
            <GroupPick present={token?.group ?? ""} {...form.getInputProps("group")} />
          </Group>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("common:cancel")}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {token ? t("common:save") : t("form.make")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

type Form = ReturnType<typeof useForm<{ dollars: number | string; unlimited: boolean }>>;

interface QuotaProps {
  form: Pick<Form, "getInputProps"> & { values: { unlimited: boolean } };
  overdrawn: boolean;
}

function Quota({ form, overdrawn }: QuotaProps) {
  const { t } = useTranslation(["tokens", "common"]);
  return (
    <Group align="flex-end" grow preventGrowOverflow={false}>
      <DollarsInput
        label={t("form.quota")}
        description={t("form.quotaSays")}
        allowNegative={overdrawn}
        disabled={form.values.unlimited}
        required={!form.values.unlimited}
        {...form.getInputProps("dollars")}
      />
      <Switch label={t("form.unlimited")} pb={8} {...form.getInputProps("unlimited", { type: "checkbox" })} />
    </Group>
  );
}

function Expiry({ value, set }: { value: string | null; set: (value: string | null) => void }) {
  const { t } = useTranslation(["tokens", "common"]);
  return (
    <div>
      <DateTimePicker
        label={t("expires")}
        placeholder={t("common:never")}
        value={value}
        onChange={set}
        locale={language() === "zh" ? "zh-cn" : "en"}
        valueFormat="YYYY-MM-DD HH:mm"
        clearable
        clearButtonProps={{ "aria-label": t("form.clear") }}
      />
      <Group gap={6} mt={6}>
        {SPANS.map(([name, span]) => (
          <Button
            key={name}
            size="compact-xs"
            variant="default"
            onClick={() => set(span && dayjs().add(span[0], span[1]).format(WRITTEN))}
          >
            {t(`span.${name}`)}
          </Button>
        ))}
      </Group>
    </div>
  );
}

/** Groups decide what calls cost and who serves them: administrators alone choose another than their own. */
function GroupPick({ present, ...input }: { present: string }) {
  const { t } = useTranslation(["tokens", "common"]);
  const admin = useIsAdmin();
  const own = useUser().group;
  const groups = useGroupNames(admin);
  if (!admin && !present) return null;
  const names = [...new Set([...groups, ...(present ? [present] : [])])];
  return (
    <Select
      label={t("group")}
      description={t("form.groupSays")}
      data={[{ value: "", label: t("ownGroup", { group: own }) }, ...names]}
      searchable
      allowDeselect={false}
      disabled={!admin}
      {...input}
    />
  );
}

function listed(names: string | undefined): string[] {
  return names ? names.split(",") : [];
}
