import { ActionIcon, Badge, Button, Code, Modal, Stack, Text, Tooltip } from "@mantine/core";
import { IconAdjustments, IconEdit } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { Failure } from "../../api";
import { useAct } from "../../parts/act";
import { Empty } from "../../parts/empty";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";
import { useFilters } from "../../parts/paging";
import { SearchInput } from "../../parts/search";
import { type Column, DataTable } from "../../parts/table";
import { Control } from "./control";
import { type Option, RENEWS, setOption } from "./options";

/** Every option, by its name. */
export function AllOptions({ options }: { options: ReadonlyMap<string, Option> }) {
  const { t } = useTranslation("settings");
  const [{ keyword }, setFilters] = useFilters(["keyword"]);
  const [edited, setEdited] = useState<Option | null>(null);
  const columns = useColumns(setEdited);
  const part = keyword.toLowerCase();
  const rows = [...options.values()].filter(({ key, concerns }) => `${key} ${concerns}`.toLowerCase().includes(part));
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {t("allSays")}
      </Text>
      <SearchInput label={t("search")} value={keyword} onChange={(text) => setFilters({ keyword: text })} />
      <DataTable
        label={t("all")}
        columns={columns}
        rows={rows}
        id={({ key }) => key}
        empty={
          <Empty icon={<IconAdjustments />} title={t("empty")}>
            {t("emptySays")}
          </Empty>
        }
      />
      {edited ? <Edit option={edited} close={() => setEdited(null)} /> : null}
    </Stack>
  );
}

function useColumns(edit: (option: Option) => void): Column<Option>[] {
  const { t } = useTranslation(["settings", "common"]);
  return [
    { key: "name", title: t("common:name"), cell: (option) => <Named option={option} /> },
    { key: "value", title: t("value"), cell: (option) => <Value option={option} /> },
    { key: "actions", title: "", tight: true, cell: (option) => <EditButton option={option} edit={edit} /> },
  ];
}

function Named({ option: { key, concerns } }: { option: Option }) {
  return (
    <div>
      <Text fz="inherit" fw={500} className="anywhere">
        {key}
      </Text>
      <Text size="xs" c="dimmed" lang="en">
        {concerns}
      </Text>
    </div>
  );
}

function Value({ option: { kind, kept, value } }: { option: Option }) {
  const { t } = useTranslation("settings");
  if (kind === "secret") return <Badge color={kept ? "teal" : "gray"}>{t(kept ? "secret" : "unset")}</Badge>;
  if (!value)
    return (
      <Text c="dimmed" size="sm">
        –
      </Text>
    );
  return (
    <>
      <Code className="anywhere">{value.length > 120 ? `${value.slice(0, 120)}…` : value}</Code>{" "}
      {kept ? null : <Badge color="gray">{t("isDefault")}</Badge>}
    </>
  );
}

function EditButton({ option, edit }: { option: Option; edit: (option: Option) => void }) {
  const { t } = useTranslation(["settings", "common"]);
  return (
    <Tooltip label={t("common:edit")}>
      <ActionIcon onClick={() => edit(option)} aria-label={`${t("common:edit")} ${t("of", { name: option.key })}`}>
        <IconEdit size={16} />
      </ActionIcon>
    </Tooltip>
  );
}

function Edit({ option, close }: { option: Option; close: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["settings", "common"]);
  const [value, setValue] = useState<string | null>(option.kind === "secret" ? null : option.value);
  const save = useAct((next: string) => setOption(option.key, next), {
    renews: RENEWS,
    done: t("common:saved"),
    after: close,
    quiet: true,
  });
  const { error } = save;
  const invalid = error instanceof Failure && error.code === "invalid_option";
  function submit(event: FormEvent) {
    event.preventDefault();
    if (value !== null) save.mutate(value);
  }
  return (
    <Modal opened onClose={close} title={t("edit", { name: option.key })} size="lg">
      <form onSubmit={submit}>
        <Stack>
          {error && !invalid ? <Failed error={error} /> : null}
          <Control
            option={option}
            label={option.key}
            description={option.concerns}
            value={value}
            error={invalid ? error.message : undefined}
            set={setValue}
          />
          <Button type="submit" loading={save.isPending} disabled={value === null}>
            {t("common:save")}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
