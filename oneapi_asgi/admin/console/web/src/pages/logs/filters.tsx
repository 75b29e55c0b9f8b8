import { Select, SimpleGrid } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { useModels } from "../../parts/models";
import { Times } from "../../parts/times";
import { Typed } from "../../parts/typed";
import { type Asked, TYPES } from "./asked";

export function Filters({ asked, channels }: { asked: Asked; channels: ReadonlyMap<number, string> }) {
  const { t } = useTranslation("logs");
  const { values, set, admin } = asked;
  const models = useModels();
  const types = Object.entries(TYPES).map(([value, name]) => ({ value, label: t(`type.${name}`) }));
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, md: 4, lg: admin ? 7 : 5 }} spacing="sm">
      <Typed
        label={t("filter.keyword")}
        placeholder={t("filter.keywordSays")}
        value={values.keyword}
        onDone={(keyword) => set({ keyword })}
      />
      <Select
        label={t("filter.type")}
        data={[{ value: "0", label: t("type.all") }, ...types]}
        value={values.type || "0"}
        allowDeselect={false}
        onChange={(type) => set({ type: type === "0" ? "" : (type ?? "") })}
      />
      <Times values={values} set={set} />
      <Typed
        label={t("filter.model")}
        data={models.data ?? []}
        value={values.model}
        onDone={(model) => set({ model })}
      />
      <Typed label={t("column.token")} value={values.token} onDone={(token) => set({ token })} />
      {admin ? (
        <>
          <Typed label={t("column.user")} value={values.username} onDone={(username) => set({ username })} />
          <Select
            label={t("column.channel")}
            data={[...channels].map(([id, name]) => ({ value: String(id), label: name }))}
            value={values.channel || null}
            onChange={(channel) => set({ channel: channel ?? "" })}
            searchable
            clearable
            limit={50}
            placeholder={t("filter.any")}
          />
        </>
      ) : null}
    </SimpleGrid>
  );
}
