import { Select, SimpleGrid } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { api, list } from "../../api";
import { placed } from "../../parts/deeper";
import { useFilters, usePaging } from "../../parts/paging";
import { timeFilter, Times } from "../../parts/times";
import { Typed } from "../../parts/typed";
import { useIsRoot } from "../../session";

const KINDS = ["manage", "topup", "system", "test"] as const;
const NAMES = ["kind", "action", "actor", "target", "time", "since", "until", "before"] as const;

/** What is looked for, as the address says; `set` begins again at the newest. */
export function useAsked() {
  const [values, setValues] = useFilters(NAMES);
  const paging = usePaging("", 20);
  const set = (change: Partial<typeof values>) => setValues({ before: "", ...change });
  return { values, set, paging, kind: KINDS.find((known) => known === values.kind) };
}

type Asked = ReturnType<typeof useAsked>;

export function useEvents({ values, paging, kind }: Asked) {
  const { action, actor, target, before } = values;
  const query = { ...placed(paging, before), ...(kind ? { kind } : {}), ...timeFilter(values), action, actor, target };
  return useQuery({
    queryKey: ["audit", query],
    queryFn: () => list(() => api.GET("/audit", { params: { query } })),
    placeholderData: keepPreviousData,
  });
}

export function Filters({ values, set, kind }: Asked) {
  const { t } = useTranslation("audit");
  const root = useIsRoot();
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }} spacing="sm">
      <Select
        label={t("kind.label")}
        data={[{ value: "", label: t("kind.all") }, ...KINDS.map((value) => ({ value, label: t(`kind.${value}`) }))]}
        value={kind ?? ""}
        allowDeselect={false}
        onChange={(value) => set({ kind: value ?? "" })}
      />
      <Times values={values} set={set} />
      {root ? <Typed label={t("actor")} value={values.actor} onDone={(actor) => set({ actor })} /> : null}
      <Typed
        label={t("action")}
        placeholder="channel.edit"
        value={values.action}
        onDone={(action) => set({ action })}
      />
      <Typed label={t("target")} placeholder="channel 7" value={values.target} onDone={(target) => set({ target })} />
    </SimpleGrid>
  );
}
