import { Alert, Anchor, Button, Group, NumberInput, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconExternalLink, IconReceipt } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask, list, type Schemas } from "../../api";
import { money, QUOTA_PER_DOLLAR } from "../../format";
import { useAct } from "../../parts/act";
import { Empty } from "../../parts/empty";
import { Failed } from "../../parts/failed";
import { Moment } from "../../parts/moment";
import { Money } from "../../parts/money";
import { Page } from "../../parts/page";
import { type Column, DataTable } from "../../parts/table";
import { useStatus, useUser } from "../../session";

const RENEWS = [["me"], ["topup"]];

export default function TopUp() {
  const { t } = useTranslation("topup");
  const status = useStatus().data;
  return (
    <Page title={t("title")} says={t("says")}>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Balance />
        <Redeem />
      </SimpleGrid>
      {status?.payment_currency ? <Orders status={status} /> : null}
      <History />
    </Page>
  );
}

function Balance() {
  const { t } = useTranslation(["topup", "common"]);
  const user = useUser();
  return (
    <section className="panel padded">
      <Title order={2} size="h5" mb="sm">
        {t("common:balance")}
      </Title>
      <Text size="xl" fw={650}>
        {user.unlimited_quota ? t("common:unlimited") : <Money quota={user.quota} />}
      </Text>
      <Text size="sm" c="dimmed" mt={4}>
        {t("spent")} <Money quota={user.used_quota} />
      </Text>
    </section>
  );
}

function Redeem() {
  const { t } = useTranslation("topup");
  const user = useUser();
  const shop = useStatus().data?.top_up_link;
  const [code, setCode] = useState("");
  const redeem = useAct(() => ask(() => api.POST("/user/topup", { body: { key: code.trim() } })), {
    quiet: true,
    renews: RENEWS,
    done: (quota) => t("redeemed", { amount: money(quota / QUOTA_PER_DOLLAR) }),
    after: () => setCode(""),
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    redeem.mutate();
  }
  return (
    <section className="panel padded">
      <Title order={2} size="h5" mb="sm">
        {t("redeemTitle")}
      </Title>
      <form onSubmit={submit}>
        <Stack gap="sm">
          {redeem.error ? <Failed error={redeem.error} /> : null}
          <Group align="flex-end" wrap="nowrap" gap="xs">
            <TextInput
              label={t("code")}
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
              required
              flex={1}
            />
            <Button type="submit" loading={redeem.isPending} disabled={!code.trim()}>
              {t("redeem")}
            </Button>
          </Group>
          {shop ? (
            <Anchor href={shopOf(shop, user)} target="_blank" rel="noopener noreferrer" size="sm">
              {t("shop")} <IconExternalLink size={14} aria-hidden />
            </Anchor>
          ) : null}
        </Stack>
      </form>
    </section>
  );
}

/** Where codes are sold, told who comes, as One API tells. */
function shopOf(address: string, user: Schemas["UserRow"]): string {
  if (!URL.canParse(address)) return address;
  const url = new URL(address);
  url.searchParams.set("username", user.username);
  url.searchParams.set("user_id", String(user.id));
  url.searchParams.set("transaction_id", crypto.getRandomValues(new Uint32Array(4)).join(""));
  return url.href;
}

function Orders({ status }: { status: Schemas["Status"] }) {
  const { t } = useTranslation("topup");
  const me = useUser().id;
  const { payment_currency: currency, payment_minimum: least, payment_maximum: most } = status;
  const [amount, setAmount] = useState<number | string>(least);
  const orders = useQuery({
    queryKey: ["topup", "orders"],
    queryFn: () => list(() => api.GET("/topup/order", { params: { query: { user_id: me, page_size: 20 } } })),
    refetchOnWindowFocus: true,
  });
  const order = useAct(() => ask(() => api.POST("/topup/order", { body: { amount: String(amount), currency } })), {
    quiet: true,
    renews: RENEWS,
  });
  const buys = Number(amount) / Number(status.payment_price);
  function submit(event: FormEvent) {
    event.preventDefault();
    order.mutate();
  }
  const columns = useOrderColumns();
  return (
    <section>
      <Title order={2} size="h5" mb="sm">
        {t("orders")}
      </Title>
      <form onSubmit={submit} className="panel padded">
        <Stack gap="sm">
          {order.error ? <Failed error={order.error} /> : null}
          <Group align="flex-end" gap="xs">
            <NumberInput
              label={t("amountIn", { currency })}
              description={t("between", { least, most })}
              min={least}
              max={most}
              decimalScale={2}
              value={amount}
              onChange={setAmount}
              required
            />
            <Button type="submit" loading={order.isPending} disabled={!(buys > 0)}>
              {t("order")}
            </Button>
          </Group>
          {buys > 0 ? (
            <Text size="sm" c="dimmed">
              {t("buys", { amount: money(buys) })}
            </Text>
          ) : null}
          {order.data ? <Ordered order={order.data} /> : null}
        </Stack>
      </form>
      {orders.data?.total === 0 ? null : (
        <Stack mt="md">
          <DataTable
            label={t("orders")}
            columns={columns}
            rows={orders.data?.rows}
            id={(row) => row.id}
            error={orders.error}
            again={orders.refetch}
            empty={null}
          />
        </Stack>
      )}
    </section>
  );
}

function useOrderColumns(): Column<Schemas["OrderRow"]>[] {
  const { t } = useTranslation("topup");
  return [
    { key: "created", title: t("when"), cell: (row) => <Moment at={row.created_time} /> },
    { key: "amount", title: t("amount"), align: "right", cell: (row) => `${row.amount} ${row.currency}` },
    { key: "quota", title: t("credited"), align: "right", cell: (row) => <Money quota={row.quota} /> },
    { key: "status", title: t("state"), cell: (row) => t(row.status) },
    {
      key: "pay",
      title: "",
      align: "right",
      cell: (row) =>
        row.url ? (
          <Anchor href={row.url} target="_blank" rel="noopener noreferrer" size="sm">
            {t("pay")}
          </Anchor>
        ) : null,
    },
  ];
}

function Ordered({ order }: { order: Schemas["OrderRow"] }) {
  const { t } = useTranslation("topup");
  return (
    <Alert color="teal" role="status" title={t("ordered")}>
      {order.url ? (
        <Anchor href={order.url} target="_blank" rel="noopener noreferrer">
          {t("payNow", { amount: order.amount, currency: order.currency })}
        </Anchor>
      ) : (
        t("payElsewhere", { id: order.id })
      )}
    </Alert>
  );
}

const OF_TOPUPS = 1;

function History() {
  const { t } = useTranslation("topup");
  const [page, setPage] = useState(0);
  const [size, setSize] = useState(10);
  const rows = useQuery({
    queryKey: ["topup", "history", page, size],
    queryFn: () =>
      list(() => api.GET("/log/self", { params: { query: { type: OF_TOPUPS, p: page, page_size: size } } })),
    placeholderData: keepPreviousData,
  });
  const columns = useHistoryColumns();
  return (
    <section>
      <Title order={2} size="h5" mb="sm">
        {t("history")}
      </Title>
      <DataTable
        label={t("history")}
        columns={columns}
        rows={rows.data?.rows}
        total={rows.data?.total ?? 0}
        paging={{
          page,
          size,
          order: "",
          set: (change) => {
            if (change.size !== undefined) setSize(change.size);
            if (change.page !== undefined) setPage(change.page);
          },
        }}
        id={(row) => row.id}
        error={rows.error}
        again={rows.refetch}
        empty={
          <Empty icon={<IconReceipt />} title={t("nothing")}>
            {t("nothingSays")}
          </Empty>
        }
      />
    </section>
  );
}

function useHistoryColumns(): Column<Schemas["LogRow"]>[] {
  const { t } = useTranslation("topup");
  return [
    { key: "when", title: t("when"), cell: (row) => <Moment at={row.created_at} /> },
    { key: "what", title: t("what"), cell: (row) => row.content },
    { key: "quota", title: t("credited"), align: "right", cell: (row) => <Money quota={row.quota} /> },
  ];
}
