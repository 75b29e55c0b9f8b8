import { Button, Group, Select } from "@mantine/core";
import { IconPlus, IconUsers } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, list } from "../../api";
import { useChosen } from "../../parts/chosen";
import { Empty } from "../../parts/empty";
import { useGroupNames } from "../../parts/group-names";
import { Page } from "../../parts/page";
import { useFilters, usePaging } from "../../parts/paging";
import { SearchInput } from "../../parts/search";
import { DataTable } from "../../parts/table";
import type { User } from "../../session";
import { Chosen } from "./chosen";
import { useColumns } from "./columns";
import { UserForm } from "./form";
import { ROLES } from "./roles";
import { TopUpForm } from "./topup";

const DELETED = "3";

type Order = "id" | "quota" | "request_count" | "used_quota";
type Opened = { what: "form"; user: User | null } | { what: "topup"; user: User };

export default function Users() {
  const { t } = useTranslation(["users", "common"]);
  const [filters, setFilters] = useFilters(["keyword", "role", "status", "group"]);
  const paging = usePaging();
  const [opened, setOpened] = useState<Opened | null>(null);
  const groups = useGroupNames();
  const users = useQuery({
    queryKey: ["users", filters, paging.page, paging.size, paging.order],
    queryFn: () =>
      list(() =>
        api.GET("/user", {
          params: {
            query: {
              keyword: filters.keyword,
              group: filters.group,
              p: paging.page,
              page_size: paging.size,
              ...(paging.order ? { order: paging.order as Order } : {}),
              ...(filters.role ? { role: Number(filters.role) as 1 | 10 | 100 } : {}),
              ...(filters.status ? { status: Number(filters.status) as 1 | 2 | 3 } : {}),
            },
          },
        }),
      ),
    placeholderData: keepPreviousData,
  });
  const chosen = useChosen(users.data?.rows, ({ id }) => id);
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setOpened({ what: "form", user: null })}>
      {t("add")}
    </Button>
  );
  const columns = useColumns({
    edit: (user) => setOpened({ what: "form", user }),
    topUp: (user) => setOpened({ what: "topup", user }),
  });
  const narrowed = Object.values(filters).some(Boolean);
  return (
    <Page title={t("title")} says={t("says")} actions={add}>
      <Group gap="sm">
        <SearchInput label={t("search")} value={filters.keyword} onChange={(keyword) => setFilters({ keyword })} />
        <Select
          aria-label={t("role")}
          placeholder={t("who.all")}
          data={ROLES.map(({ role, key }) => ({ value: String(role), label: t(`roles.${key}`) }))}
          value={filters.role || null}
          onChange={(role) => setFilters({ role: role ?? "" })}
          clearable
          w={160}
        />
        <Select
          aria-label={t("common:status")}
          placeholder={t("who.status")}
          data={[
            { value: "1", label: t("common:enabled") },
            { value: "2", label: t("common:disabled") },
            { value: DELETED, label: t("deleted") },
          ]}
          value={filters.status || null}
          onChange={(status) => setFilters({ status: status ?? "" })}
          clearable
          w={150}
        />
        <Select
          aria-label={t("group")}
          placeholder={t("who.group")}
          data={groups}
          value={filters.group || null}
          onChange={(group) => setFilters({ group: group ?? "" })}
          searchable
          clearable
          w={160}
        />
      </Group>
      {chosen.ids.size > 0 ? <Chosen ids={[...chosen.ids].map(Number)} clear={chosen.clear} /> : null}
      <DataTable
        label={t("title")}
        columns={columns}
        rows={users.data?.rows}
        total={users.data?.total ?? 0}
        id={(user) => user.id}
        paging={paging}
        error={users.error}
        again={users.refetch}
        empty={
          <Empty icon={<IconUsers />} title={t("empty")} action={narrowed ? undefined : add}>
            {t("emptySays")}
          </Empty>
        }
        {...(filters.status === DELETED ? {} : { chosen })}
      />
      {opened?.what === "form" ? (
        <UserForm key={opened.user?.id ?? 0} user={opened.user} close={() => setOpened(null)} />
      ) : null}
      {opened?.what === "topup" ? <TopUpForm user={opened.user} close={() => setOpened(null)} /> : null}
    </Page>
  );
}
