import { Badge, Group, Text } from "@mantine/core";
import { useDocumentVisibility } from "@mantine/hooks";
import { IconBolt } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { number } from "../../format";
import { Empty } from "../../parts/empty";
import { Page } from "../../parts/page";
import { DataTable } from "../../parts/table";
import { useIsAdmin } from "../../session";
import { columns, type Running } from "./columns";
import { Sparkline } from "./sparkline";

const SECOND = 1000;
const REMEMBERED = 120;
/** Rows that are drawn, five times a second. */
const MOST = 200;

/** The calls in flight, asked for each second while somebody looks. */
export default function Live() {
  const { t } = useTranslation("live");
  const admin = useIsAdmin();
  const found = useQuery({
    queryKey: ["call"],
    queryFn: async () => ({ rows: await ask(() => api.GET("/call")), at: Date.now() }),
    refetchInterval: SECOND, // not while the page is hidden
    staleTime: 0,
  });
  const rows = found.data?.rows;
  const past = usePast(found.data);
  const now = useNow();
  return (
    <Page title={t("title")} says={t(admin ? "saysAll" : "saysOwn")}>
      <section className="panel card" aria-label={t("count")}>
        <Group justify="space-between" wrap="nowrap">
          <div>
            <Text size="xs" c="dimmed">
              {t("count")}
            </Text>
            <Group gap="xs">
              <Text fz={26} fw={650} className="figure">
                {rows ? number(rows.length) : "–"}
              </Text>
              {rows?.length ? <States rows={rows} /> : null}
            </Group>
          </div>
          <Sparkline values={past} most={REMEMBERED} label={t("past", { count: REMEMBERED })} />
        </Group>
      </section>
      <DataTable
        label={t("title")}
        columns={columns(t, admin, now)}
        rows={rows?.slice(0, MOST)}
        id={(row) => row.request_id}
        error={found.error}
        again={found.refetch}
        empty={
          <Empty icon={<IconBolt />} title={t("nothing")}>
            {t("nothingSays")}
          </Empty>
        }
      />
      {rows && rows.length > MOST ? (
        <Text size="sm" c="dimmed">
          {t("more", { number: number(rows.length - MOST) })}
        </Text>
      ) : null}
    </Page>
  );
}

function States({ rows }: { rows: readonly Running[] }) {
  const { t } = useTranslation("live");
  const waiting = rows.filter(({ state }) => state === "waiting").length;
  const streaming = rows.filter(({ state }) => state === "streaming").length;
  return (
    <>
      {waiting ? <Badge color="orange">{t("waiting", { number: number(waiting) })}</Badge> : null}
      {streaming ? <Badge color="teal">{t("streaming", { number: number(streaming) })}</Badge> : null}
    </>
  );
}

/** How many there were, each second since the page was opened. */
function usePast(data: { rows: readonly Running[]; at: number } | undefined): readonly number[] {
  const [past, setPast] = useState<{ at: number; counts: readonly number[] }>({ at: 0, counts: [] });
  if (data && data.at !== past.at) {
    setPast({ at: data.at, counts: [...past.counts, data.rows.length].slice(-REMEMBERED) });
  }
  return past.counts;
}

/** The time, in Unix seconds, again and again while the page is seen. */
function useNow(): number {
  const [now, setNow] = useState(() => Date.now() / SECOND);
  const seen = useDocumentVisibility() === "visible";
  useEffect(() => {
    if (!seen) return undefined;
    const timer = setInterval(() => setNow(Date.now() / SECOND), 200);
    return () => clearInterval(timer);
  }, [seen]);
  return now;
}
