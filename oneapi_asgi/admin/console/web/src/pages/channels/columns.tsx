import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import type { Column } from "../../parts/table";
import { RowActions } from "./actions";
import { BalanceCell, LatencyCell, ModelsCell, NameCell, NumberCell, StatusCell } from "./cells";
import { type Channel, useHealth, useKindNames } from "./data";

export function useColumns(test: (channel: Channel) => void): Column<Channel>[] {
  const { t } = useTranslation(["channels", "common"]);
  const names = useKindNames();
  const health = useHealth();
  return useMemo(
    () => [
      {
        key: "name",
        title: t("common:name"),
        sorted: "ascending",
        cell: (channel) => <NameCell channel={channel} provider={names.get(channel.provider) ?? channel.provider} />,
      },
      {
        key: "status",
        title: t("common:status"),
        sorted: "descending",
        cell: (channel) => <StatusCell channel={channel} health={health.get(channel.id)} />,
      },
      {
        key: "response_time",
        title: t("latency.title"),
        sorted: "ascending",
        cell: (channel) => <LatencyCell channel={channel} />,
      },
      {
        key: "balance",
        title: t("balance.title"),
        align: "right",
        sorted: "descending",
        cell: (channel) => <BalanceCell channel={channel} />,
      },
      { key: "models", title: t("models"), cell: (channel) => <ModelsCell channel={channel} /> },
      {
        key: "priority",
        title: t("priority"),
        sorted: "descending",
        tight: true,
        cell: (channel) => (
          <NumberCell
            channel={channel}
            field="priority"
            label={t("priorityOf", { name: channel.name })}
            min={-1_000_000}
          />
        ),
      },
      {
        key: "weight",
        title: t("weight"),
        sorted: "descending",
        tight: true,
        cell: (channel) => (
          <NumberCell channel={channel} field="weight" label={t("weightOf", { name: channel.name })} min={1} />
        ),
      },
      {
        key: "actions",
        title: "",
        align: "right",
        tight: true,
        cell: (channel) => <RowActions channel={channel} test={() => test(channel)} />,
      },
    ],
    [t, names, health, test],
  );
}
