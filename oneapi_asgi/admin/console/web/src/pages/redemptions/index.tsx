import { Button } from "@mantine/core";
import { IconGift, IconPlus } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, list } from "../../api";
import { Empty } from "../../parts/empty";
import { Page } from "../../parts/page";
import { useFilters, usePaging } from "../../parts/paging";
import { SearchInput } from "../../parts/search";
import { DataTable } from "../../parts/table";
import { type Row, useColumns } from "./columns";
import { CodeForm } from "./form";
import { Made } from "./made";

export default function Redemptions() {
  const { t } = useTranslation(["redemptions", "common"]);
  const [{ keyword }, setFilters] = useFilters(["keyword"]);
  const paging = usePaging();
  const [edited, setEdited] = useState<Row | "new" | null>(null);
  const [made, setMade] = useState<{ name: string; codes: string[] } | null>(null);
  const codes = useQuery({
    queryKey: ["redemptions", keyword, paging.page, paging.size],
    queryFn: () =>
      list(() => api.GET("/redemption", { params: { query: { keyword, p: paging.page, page_size: paging.size } } })),
    placeholderData: keepPreviousData,
  });
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited("new")}>
      {t("add")}
    </Button>
  );
  const columns = useColumns(setEdited);
  return (
    <Page title={t("title")} says={t("says")} actions={add}>
      <SearchInput label={t("search")} value={keyword} onChange={(text) => setFilters({ keyword: text })} />
      <DataTable
        label={t("title")}
        columns={columns}
        rows={codes.data?.rows}
        total={codes.data?.total ?? 0}
        id={({ id }) => id}
        paging={paging}
        error={codes.error}
        again={codes.refetch}
        empty={
          <Empty icon={<IconGift />} title={t("empty")} action={keyword ? undefined : add}>
            {t(keyword ? "none" : "emptySays")}
          </Empty>
        }
      />
      {edited ? (
        <CodeForm
          code={edited === "new" ? null : edited}
          made={(name, fresh) => setMade({ name, codes: fresh })}
          close={() => setEdited(null)}
        />
      ) : null}
      {made ? <Made {...made} close={() => setMade(null)} /> : null}
    </Page>
  );
}
