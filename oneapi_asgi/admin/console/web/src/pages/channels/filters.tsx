import { Group, Select, type SelectProps } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { useGroupNames } from "../../parts/group-names";
import { useKinds } from "../../parts/kinds";
import { SearchInput } from "../../parts/search";
import { STATUSES, useTags } from "./data";

export const FILTERS = ["keyword", "status", "provider", "group", "tag", "model"] as const;
export type Filters = Record<(typeof FILTERS)[number], string>;

/** Two beside each other on a phone. */
const WIDTH = { base: "calc(50% - 6px)", xs: 158 };
const ORDERS = ["created_time", "test_time"] as const;

interface Props {
  filters: Filters;
  set: (change: Partial<Filters>) => void;
  order: string;
  setOrder: (order: string) => void;
}

export function FilterBar({ filters, set, order, setOrder }: Props) {
  const { t } = useTranslation(["channels", "common"]);
  const kinds = useKinds().data;
  const groups = useGroupNames();
  const tags = useTags();
  function picks(name: "status" | "provider" | "group" | "tag", label: string): SelectProps {
    return {
      "aria-label": label,
      placeholder: t(`all.${name}`),
      value: filters[name] || null,
      onChange: (value) => set({ [name]: value ?? "" }),
      clearable: true,
      clearButtonProps: { "aria-label": `${t("removeFilters")}: ${label}` },
      w: WIDTH,
    };
  }
  return (
    <Group gap="sm">
      <SearchInput label={t("search")} value={filters.keyword} onChange={(keyword) => set({ keyword })} />
      <Select
        {...picks("status", t("common:status"))}
        data={Object.entries(STATUSES).map(([value, status]) => ({ value, label: t(`status.${status}`) }))}
      />
      <Select
        {...picks("provider", t("provider"))}
        data={(kinds ?? []).map(({ provider, name }) => ({ value: provider, label: name }))}
        searchable
      />
      <Select {...picks("group", t("groups"))} data={[...groups]} searchable />
      {tags.length > 0 ? <Select {...picks("tag", t("tag"))} data={tags.map(({ tag }) => tag)} searchable /> : null}
      <SearchInput label={t("searchModel")} value={filters.model} onChange={(model) => set({ model })} />
      <Select
        aria-label={t("order.label")}
        data={[
          { value: "", label: t("order.none") },
          ...ORDERS.map((value) => ({ value, label: t(`order.${value}`) })),
        ]}
        value={ORDERS.find((one) => one === order) ?? ""}
        onChange={(value) => setOrder(value ?? "")}
        allowDeselect={false}
        w={WIDTH}
      />
    </Group>
  );
}
