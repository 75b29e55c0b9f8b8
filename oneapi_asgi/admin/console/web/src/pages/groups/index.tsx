import { Button } from "@mantine/core";
import { IconPlus, IconUsersGroup } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { Empty } from "../../parts/empty";
import { Page } from "../../parts/page";
import { DataTable } from "../../parts/table";
import { useIsRoot } from "../../session";
import { type Group, useColumns } from "./columns";
import { GroupForm } from "./form";

/** What groups pay, and those for which nothing is set, which pay the whole price. */
async function everyGroup(): Promise<Group[]> {
  const [rows, names] = await Promise.all([ask(() => api.GET("/groups")), ask(() => api.GET("/group"))]);
  const known = new Map(rows.map((row) => [row.name, row]));
  return names.map((name) => {
    const row = known.get(name);
    return Object.assign(row ?? { name, ratio: "1", note: "", declared: false }, { set: row !== undefined });
  });
}

export default function Groups() {
  const { t } = useTranslation(["groups", "common"]);
  const root = useIsRoot();
  const groups = useQuery({ queryKey: ["groups"], queryFn: everyGroup });
  const [edited, setEdited] = useState<Group | "new" | null>(null);
  const add = root ? (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited("new")}>
      {t("add")}
    </Button>
  ) : null;
  const columns = useColumns(root ? setEdited : null);
  return (
    <Page title={t("title")} says={t("says")} actions={add}>
      <DataTable
        label={t("title")}
        columns={columns}
        rows={groups.data}
        id={({ name }) => name}
        error={groups.error}
        again={groups.refetch}
        empty={
          <Empty icon={<IconUsersGroup />} title={t("empty")} action={add}>
            {t("emptySays")}
          </Empty>
        }
      />
      {edited ? <GroupForm group={edited === "new" ? null : edited} close={() => setEdited(null)} /> : null}
    </Page>
  );
}
