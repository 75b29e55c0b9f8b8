import { Button, Menu, Text } from "@mantine/core";
import { modals } from "@mantine/modals";
import { IconDownload, IconList, IconRefresh, IconTrash } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "wouter";

import { Deeper } from "../../parts/deeper";
import { Empty } from "../../parts/empty";
import { Money } from "../../parts/money";
import { Page } from "../../parts/page";
import { DataTable } from "../../parts/table";
import {
  type Asked,
  CALL,
  type Entry,
  exported,
  FORMATS,
  useAsked,
  useChannelNames,
  useEntries,
  useSpent,
} from "./asked";
import { columns } from "./columns";
import { Cut } from "./cut";
import { CallDrawer } from "./drawer";
import { Filters } from "./filters";

/** Calls and what else happened, the newest first. */
export default function Logs() {
  const { t } = useTranslation("logs");
  const asked = useAsked();
  const { admin, paging, values, set } = asked;
  const channels = useChannelNames();
  const found = useEntries(asked);
  const [shown, show] = useShown();
  const open = (entry: Entry) => entry.type === CALL && show(entry.request_id);
  const page = found.data;
  return (
    <Page
      title={t("title")}
      says={t(admin ? "saysAll" : "saysOwn")}
      actions={<Actions asked={asked} refresh={() => void found.refetch()} loading={found.isFetching} />}
    >
      <Filters asked={asked} channels={channels} />
      <Sum asked={asked} />
      <DataTable
        label={t("title")}
        columns={columns({ t, admin, channels, open })}
        rows={page?.rows}
        id={(row) => row.id}
        total={page?.total ?? 0}
        paging={paging}
        error={found.error}
        again={found.refetch}
        onOpen={open}
        empty={<Nothing asked={asked} />}
      />
      <Deeper page={page} before={values.before} go={(before) => set({ before })} />
      <CallDrawer request={shown} close={() => show("")} />
    </Page>
  );
}

/** Which call is looked at, in the address too. */
function useShown(): [string, (request: string) => void] {
  const [params, setParams] = useSearchParams();
  return [
    params.get("call") ?? "",
    (request) =>
      setParams((before) => {
        const next = new URLSearchParams(before);
        if (request) next.set("call", request);
        else next.delete("call");
        return next;
      }),
  ];
}

function Sum({ asked }: { asked: Asked }) {
  const { t } = useTranslation("logs");
  const spent = useSpent(asked);
  if (spent === null) return null;
  return (
    <Text size="sm" component="div">
      {spent ? (
        <>
          {t("spent")}{" "}
          <b>
            <Money quota={spent.quota} />
          </b>
        </>
      ) : (
        "\u00a0"
      )}
    </Text>
  );
}

function Actions({ asked, refresh, loading }: { asked: Asked; refresh: () => void; loading: boolean }) {
  const { t } = useTranslation("logs");
  function cut() {
    const id = modals.open({ title: t("cut.title"), children: null });
    modals.updateModal({ modalId: id, children: <Cut id={id} /> });
  }
  return (
    <>
      <Button variant="default" leftSection={<IconRefresh size={16} />} onClick={refresh} loading={loading}>
        {t("refresh", { ns: "common" })}
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<IconDownload size={16} />}>
            {t("export")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {FORMATS.map((format) => (
            <Menu.Item key={format} component="a" href={exported(asked, format)} download>
              {t(`format.${format}`)}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {asked.admin ? (
        <Button variant="default" className="bad" leftSection={<IconTrash size={16} />} onClick={cut}>
          {t("cut.open")}
        </Button>
      ) : null}
    </>
  );
}

function Nothing({ asked: { values, set } }: { asked: Asked }) {
  const { t } = useTranslation("logs");
  const narrowed = Object.values(values).some(Boolean);
  const all = {
    keyword: "",
    type: "",
    time: "",
    since: "",
    until: "",
    model: "",
    token: "",
    username: "",
    channel: "",
  };
  return (
    <Empty
      icon={<IconList />}
      title={t(narrowed ? "nothingFits" : "nothing")}
      action={
        narrowed ? (
          <Button variant="default" onClick={() => set(all)}>
            {t("showAll")}
          </Button>
        ) : null
      }
    >
      {t(narrowed ? "nothingFitsSays" : "nothingSays")}
    </Empty>
  );
}
