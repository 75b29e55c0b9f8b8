import { Button, Group, Select } from "@mantine/core";
import { IconListDetails, IconPlus, IconReportMoney } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, list } from "../../api";
import { Empty } from "../../parts/empty";
import { useFilters, usePaging } from "../../parts/paging";
import { SearchInput } from "../../parts/search";
import { DataTable } from "../../parts/table";
import { useIsRoot } from "../../session";
import { BatchForm } from "./batch";
import { useColumns } from "./columns";
import { Details } from "./details";
import { PriceForm } from "./form";
import type { Price } from "./parts";

const OWN = ["true", "false"] as const;

type Opened = { what: "details"; price: Price } | { what: "edit"; price: Price | null } | { what: "batch" };

/** Every model that has a price or a channel, for administrators; root changes them. */
export function All() {
  const { t } = useTranslation("prices");
  const root = useIsRoot();
  const [{ keyword, own }, setFilters] = useFilters(["keyword", "own"]);
  const paging = usePaging("", 50);
  const [opened, setOpened] = useState<Opened | null>(null);
  const close = () => setOpened(null);
  const prices = useQuery({
    queryKey: ["prices", keyword, own, paging.page, paging.size],
    queryFn: () =>
      list(() =>
        api.GET("/price", {
          params: {
            query: { keyword, own: own as "" | "true" | "false", p: paging.page, page_size: paging.size },
          },
        }),
      ),
    placeholderData: keepPreviousData,
  });
  const details = (price: Price) => setOpened({ what: "details", price });
  const columns = useColumns(details, root ? (price) => setOpened({ what: "edit", price }) : undefined);
  return (
    <>
      <Group gap="sm" justify="space-between">
        <Group gap="sm">
          <SearchInput label={t("search")} value={keyword} onChange={(text) => setFilters({ keyword: text })} />
          <Select
            aria-label={t("source")}
            placeholder={t("own.all")}
            data={OWN.map((value) => ({ value, label: t(`own.${value}`) }))}
            value={own || null}
            onChange={(value) => setFilters({ own: value ?? "" })}
            clearable
            w={180}
          />
        </Group>
        {root ? (
          <Group gap="xs">
            <Button
              variant="default"
              leftSection={<IconListDetails size={16} />}
              onClick={() => setOpened({ what: "batch" })}
            >
              {t("batch")}
            </Button>
            <Button leftSection={<IconPlus size={16} />} onClick={() => setOpened({ what: "edit", price: null })}>
              {t("set")}
            </Button>
          </Group>
        ) : null}
      </Group>
      <DataTable
        label={t("all")}
        columns={columns}
        rows={prices.data?.rows}
        total={prices.data?.total ?? 0}
        id={({ model }) => model}
        paging={paging}
        error={prices.error}
        again={prices.refetch}
        onOpen={details}
        empty={
          <Empty icon={<IconReportMoney />} title={t("empty")}>
            {t(keyword || own ? "none" : "emptyAll")}
          </Empty>
        }
      />
      {opened?.what === "details" ? <Details price={opened.price} close={close} /> : null}
      {opened?.what === "edit" ? <PriceForm price={opened.price} close={close} /> : null}
      {opened?.what === "batch" ? <BatchForm close={close} /> : null}
    </>
  );
}
