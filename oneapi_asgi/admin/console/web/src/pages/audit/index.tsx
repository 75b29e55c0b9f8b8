import { Button } from "@mantine/core";
import { IconHistory, IconRefresh } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { Deeper } from "../../parts/deeper";
import { Empty } from "../../parts/empty";
import { Page } from "../../parts/page";
import { DataTable } from "../../parts/table";
import { useIsRoot } from "../../session";
import { columns, type Event } from "./columns";
import { EventDrawer } from "./drawer";
import { Filters, useAsked, useEvents } from "./filters";

/** Who did what: root sees everything, administrators what they have done themselves. */
export default function Audit() {
  const { t } = useTranslation("audit");
  const root = useIsRoot();
  const asked = useAsked();
  const found = useEvents(asked);
  const [shown, show] = useState<Event | null>(null);
  return (
    <Page
      title={t("title")}
      says={t(root ? "saysAll" : "saysOwn")}
      actions={
        <Button
          variant="default"
          leftSection={<IconRefresh size={16} />}
          onClick={() => void found.refetch()}
          loading={found.isFetching}
        >
          {t("refresh", { ns: "common" })}
        </Button>
      }
    >
      <Filters {...asked} />
      <DataTable
        label={t("title")}
        columns={columns(t, show)}
        rows={found.data?.rows}
        id={(row) => row.id}
        total={found.data?.total ?? 0}
        paging={asked.paging}
        error={found.error}
        again={found.refetch}
        onOpen={show}
        empty={
          <Empty icon={<IconHistory />} title={t("nothing")}>
            {t("nothingSays")}
          </Empty>
        }
      />
      <Deeper page={found.data} before={asked.values.before} go={(before) => asked.set({ before })} />
      <EventDrawer event={shown} close={() => show(null)} />
    </Page>
  );
}
