import { Button } from "@mantine/core";
import { IconPlugConnected, IconPlus } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { api, list, type Schemas } from "../../api";
import { useChosen } from "../../parts/chosen";
import { Empty } from "../../parts/empty";
import { Page } from "../../parts/page";
import { useFilters, usePaging } from "../../parts/paging";
import { DataTable } from "../../parts/table";
import { Chosen } from "./chosen";
import { useColumns } from "./columns";
import type { Channel } from "./data";
import { FilterBar, FILTERS, type Filters } from "./filters";
import { Rounds, RoundState } from "./rounds";
import { TestDialog } from "./test";

type Query = Schemas["ChannelListQuery"];

const NONE: Filters = { keyword: "", status: "", provider: "", group: "", tag: "", model: "" };

export default function Channels() {
  const { t } = useTranslation("channels");
  const [filters, setFilters] = useFilters(FILTERS);
  const paging = usePaging();
  const [tested, setTested] = useState<Channel | null>(null);
  const columns = useColumns(setTested);
  const { status, tag, ...said } = filters;
  const query = {
    ...said,
    p: paging.page,
    page_size: paging.size,
    order: paging.order as Query["order"],
    ...(status ? { status: Number(status) as 1 | 2 | 3 } : {}),
    ...(tag ? { tag } : {}),
  };
  const channels = useQuery({
    queryKey: ["channels", "list", query],
    queryFn: () => list(() => api.GET("/channel", { params: { query } })),
    placeholderData: keepPreviousData,
  });
  const chosen = useChosen(channels.data?.rows, ({ id }) => id);
  const add = (
    <Button component={Link} href="/channels/new" leftSection={<IconPlus size={16} />}>
      {t("add")}
    </Button>
  );
  const narrowed = Object.values(filters).some(Boolean);
  return (
    <Page
      title={t("title")}
      says={t("says")}
      actions={
        <>
          <Rounds />
          {add}
        </>
      }
    >
      <FilterBar
        filters={filters}
        set={setFilters}
        order={paging.order}
        setOrder={(order) => paging.set({ order, page: 0 })}
      />
      <RoundState />
      {chosen.ids.size > 0 ? <Chosen ids={[...chosen.ids].map(Number)} clear={chosen.clear} /> : null}
      <DataTable
        label={t("title")}
        columns={columns}
        rows={channels.data?.rows}
        total={channels.data?.total ?? 0}
        id={(channel) => channel.id}
        paging={paging}
        error={channels.error}
        again={channels.refetch}
        chosen={chosen}
        empty={
          narrowed ? (
            <Empty
              icon={<IconPlugConnected />}
              title={t("nothing")}
              action={
                <Button variant="default" onClick={() => setFilters(NONE)}>
                  {t("removeFilters")}
                </Button>
              }
            >
              {t("nothingSays")}
            </Empty>
          ) : (
            <Empty icon={<IconPlugConnected />} title={t("empty")} action={add}>
              {t("emptySays")}
            </Empty>
          )
        }
      />
      {tested ? <TestDialog channel={tested} close={() => setTested(null)} /> : null}
    </Page>
  );
}
