import { Badge, Button, Group, Select, Switch, Text, Tooltip } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconKey, IconPlus, IconSearch } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask, list, type Schemas } from "../../api";
import { number } from "../../format";
import { Empty } from "../../parts/empty";
import { Moment } from "../../parts/moment";
import { Money } from "../../parts/money";
import { Page } from "../../parts/page";
import { useFilters, usePaging } from "../../parts/paging";
import { SearchInput } from "../../parts/search";
import { type Column, DataTable } from "../../parts/table";
import { useIsAdmin, useUser } from "../../session";
import { Actions } from "./actions";
import { Made } from "./made";

type Token = Schemas["TokenRow"];
type Order = "" | "created_time" | "name" | "remain_quota" | "used_quota";

const TokenForm = lazy(() => import("./form"));

const STATES = {
  1: ["enabled", "teal"],
  2: ["disabled", "gray"],
  3: ["expired", "orange"],
  4: ["exhausted", "red"],
} as const;

export default function Tokens() {
  const { t } = useTranslation(["tokens", "common"]);
  const admin = useIsAdmin();
  const me = useUser().id;
  const [filters, setFilters] = useFilters(["keyword", "all", "user"] as const);
  const paging = usePaging();
  const [edited, setEdited] = useState<Token | "new" | null>(null);
  const [made, setMade] = useState<Token | null>(null);
  const everybody = admin && filters.all === "1";
  const tokens = useTokens(filters, paging, everybody);
  const columns = useColumns(everybody, (token) =>
    token.user_id === me ? <Actions token={token} onEdit={() => setEdited(token)} onMade={setMade} /> : null,
  );
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited("new")}>
      {t("add")}
    </Button>
  );
  const filtered = filters.keyword || filters.user;
  return (
    <Page title={t("title")} says={t("says")} actions={add}>
      <Group gap="sm">
        <SearchInput label={t("byName")} value={filters.keyword} onChange={(keyword) => setFilters({ keyword })} />
        {admin ? (
          <Switch
            label={t("everybody")}
            checked={everybody}
            onChange={(event) => setFilters({ all: event.currentTarget.checked ? "1" : "", user: "" })}
          />
        ) : null}
        {everybody ? <UserPick value={filters.user} set={(user) => setFilters({ user })} /> : null}
      </Group>
      <DataTable
        label={t("title")}
        columns={columns}
        rows={tokens.data?.rows}
        total={tokens.data?.total ?? 0}
        paging={paging}
        id={(token) => token.id}
        error={tokens.error}
        again={tokens.refetch}
        empty={
          filtered ? (
            <Empty icon={<IconSearch />} title={t("nothingFound")} />
          ) : (
            <Empty icon={<IconKey />} title={t("empty.title")} action={add}>
              {t("empty.says")}
            </Empty>
          )
        }
      />
      {edited ? (
        <Suspense>
          <TokenForm
            token={edited === "new" ? null : edited}
            onClose={() => setEdited(null)}
            onMade={(token) => {
              setEdited(null);
              setMade(token);
            }}
          />
        </Suspense>
      ) : null}
      {made ? <Made token={made} onClose={() => setMade(null)} /> : null}
    </Page>
  );
}

function useTokens(
  filters: { keyword: string; user: string },
  { page, size, order }: { page: number; size: number; order: string },
  everybody: boolean,
) {
  const query = { keyword: filters.keyword, p: page, page_size: size, order: order as Order };
  const user_id = Number(filters.user) || null;
  return useQuery({
    queryKey: ["token", everybody, query, user_id],
    queryFn: () =>
      everybody
        ? list(() => api.GET("/token/all", { params: { query: { ...query, ...(user_id ? { user_id } : {}) } } }))
        : list(() => api.GET("/token", { params: { query } })),
    placeholderData: keepPreviousData,
  });
}

function useColumns(everybody: boolean, actions: (token: Token) => React.ReactNode): Column<Token>[] {
  const { t } = useTranslation(["tokens", "common"]);
  return [
    {
      key: "name",
      title: t("common:name"),
      sorted: "ascending",
      cell: (token) => <Name token={token} owned={everybody} />,
    },
    { key: "status", title: t("common:status"), cell: (token) => <State status={token.status} /> },
    {
      key: "used_quota",
      title: t("used"),
      align: "right",
      sorted: "descending",
      cell: (token) => <Money quota={token.used_quota} />,
    },
    {
      key: "remain_quota",
      title: t("left"),
      align: "right",
      sorted: "descending",
      cell: (token) =>
        token.unlimited_quota ? (
          <Text span inherit c="dimmed">
            {t("common:unlimited")}
          </Text>
        ) : (
          <Money quota={token.remain_quota} />
        ),
    },
    {
      key: "created_time",
      title: t("created"),
      sorted: "descending",
      cell: (token) => <Moment at={token.created_time} ago />,
    },
    { key: "accessed", title: t("accessed"), cell: (token) => <Moment at={token.accessed_time} ago /> },
    {
      key: "expires",
      title: t("expires"),
      cell: (token) =>
        token.expired_time < 0 ? (
          <Text span inherit c="dimmed">
            {t("common:never")}
          </Text>
        ) : (
          <Moment at={token.expired_time} ago />
        ),
    },
    { key: "limits", title: t("limits"), cell: (token) => <Limits token={token} /> },
    { key: "actions", title: "", tight: true, align: "right", cell: actions },
  ];
}

function Name({ token, owned }: { token: Token; owned: boolean }) {
  return (
    <div>
      <Text size="sm" fw={500} maw={260} truncate title={token.name}>
        {token.name}
      </Text>
      <Text size="xs" c="dimmed" maw={260} truncate>
        {owned ? `${token.username} · ` : ""}
        <span className="mono">{token.key.replace(/\*+$/, "…")}</span>
      </Text>
    </div>
  );
}

function State({ status }: { status: number }) {
  const { t } = useTranslation(["tokens", "common"]);
  const [name, color] = STATES[status as keyof typeof STATES] ?? STATES[2];
  return <Badge color={color}>{t(`state.${name}`)}</Badge>;
}

interface Limit {
  text: string;
  more: string;
}

/** What a token may do less than its owner: models, addresses, calls in a minute, and its group. */
function Limits({ token }: { token: Token }) {
  const { t } = useTranslation(["tokens", "common"]);
  const models = token.models ? token.models.split(",") : [];
  const subnets = token.subnet ? token.subnet.split(",") : [];
  const all: (Limit | false)[] = [
    models.length > 0 && { text: t("limit.models", { count: models.length }), more: models.join(", ") },
    subnets.length > 0 && { text: t("limit.subnets", { count: subnets.length }), more: subnets.join(", ") },
    token.requests_per_minute !== null && {
      text: t("limit.rate", { count: token.requests_per_minute, formatted: number(token.requests_per_minute) }),
      more: t("form.rate"),
    },
    token.group !== null && { text: token.group, more: t("group") },
  ];
  const limits = all.filter((limit) => limit !== false);
  if (limits.length === 0) {
    return (
      <Text span inherit c="dimmed">
        {t("common:none")}
      </Text>
    );
  }
  return (
    <Group gap={4}>
      {limits.map(({ text, more }) => (
        <Tooltip key={text} label={more} multiline maw={320}>
          <Badge variant="default" tt="none" fw={500} tabIndex={0}>
            {text}
          </Badge>
        </Tooltip>
      ))}
    </Group>
  );
}

function UserPick({ value, set }: { value: string; set: (value: string) => void }) {
  const { t } = useTranslation(["tokens", "common"]);
  const [typed, setTyped] = useState("");
  const [keyword] = useDebouncedValue(typed, 250);
  const users = useQuery({
    queryKey: ["user", "pick", keyword],
    queryFn: () => ask(() => api.GET("/user/search", { params: { query: { keyword, page_size: 20 } } })),
    placeholderData: keepPreviousData,
  });
  const found = (users.data ?? []).map((user) => ({ value: String(user.id), label: user.username }));
  const data = value && !found.some((user) => user.value === value) ? [{ value, label: `#${value}` }, ...found] : found;
  return (
    <Select
      aria-label={t("byUser")}
      placeholder={t("byUser")}
      data={data}
      value={value || null}
      onChange={(next) => set(next ?? "")}
      onSearchChange={setTyped}
      filter={({ options }) => options}
      searchable
      clearable
      clearButtonProps={{ "aria-label": t("form.clear") }}
      w={{ base: "100%", xs: 220 }}
    />
  );
}
