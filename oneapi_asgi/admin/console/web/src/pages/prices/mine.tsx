import { Alert } from "@mantine/core";
import { IconReportMoney } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { Empty } from "../../parts/empty";
import { useFilters, usePaging } from "../../parts/paging";
import { SearchInput } from "../../parts/search";
import { type Column, DataTable } from "../../parts/table";
import { useUser } from "../../session";
import { useColumns } from "./columns";
import { Details } from "./details";
import type { Price } from "./parts";

function ordered(prices: Price[], order: string): Price[] {
  if (order !== "input" && order !== "output") return prices;
  const cheap = (price: Price) => Number(price[order] ?? Number.POSITIVE_INFINITY);
  return prices.toSorted((a, b) => cheap(a) - cheap(b));
}

/** The models that one may use, at what one's group pays. */
export function Mine() {
  const { t } = useTranslation("prices");
  const { group } = useUser();
  const [{ keyword }, setFilters] = useFilters(["keyword"]);
  const paging = usePaging("", 50);
  const [opened, setOpened] = useState<Price | null>(null);
  const pricing = useQuery({ queryKey: ["pricing"], queryFn: () => ask(() => api.GET("/pricing")) });
  const columns = useColumns(setOpened).map((column): Column<Price> => {
    const sorted = column.key === "input" || column.key === "output";
    return sorted ? Object.assign(column, { sorted: "ascending" }) : column;
  });
  const found = useMemo(() => {
    const part = keyword.toLowerCase();
    const rows = pricing.data?.filter(({ model }) => model.toLowerCase().includes(part));
    return rows && ordered(rows, paging.order);
  }, [pricing.data, keyword, paging.order]);
  const ratio = pricing.data?.[0]?.ratio ?? "1";
  return (
    <>
      {ratio === "1" ? null : <Alert variant="light">{t("groupPays", { group, ratio })}</Alert>}
      <SearchInput label={t("search")} value={keyword} onChange={(text) => setFilters({ keyword: text })} />
      <DataTable
        label={t("mine")}
        columns={columns}
        rows={found?.slice(paging.page * paging.size, (paging.page + 1) * paging.size)}
        total={found?.length ?? 0}
        id={({ model }) => model}
        paging={paging}
        error={pricing.error}
        again={pricing.refetch}
        onOpen={setOpened}
        empty={
          <Empty icon={<IconReportMoney />} title={t("empty")}>
            {t(keyword ? "none" : "emptySays")}
          </Empty>
        }
      />
      {opened ? <Details price={opened} close={() => setOpened(null)} /> : null}
    </>
  );
}
