import { SegmentedControl } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { Page } from "../../parts/page";
import { useFilters } from "../../parts/paging";
import { useIsAdmin } from "../../session";
import { All } from "./all";
import { Mine } from "./mine";

export default function Prices() {
  const { t } = useTranslation("prices");
  const admin = useIsAdmin();
  const [{ of }, setFilters] = useFilters(["of", "keyword", "own"]);
  const all = admin && of === "all";
  return (
    <Page
      title={t("title")}
      says={t("says")}
      actions={
        admin ? (
          <SegmentedControl
            aria-label={t("title")}
            data={[
              { value: "mine", label: t("mine") },
              { value: "all", label: t("all") },
            ]}
            value={all ? "all" : "mine"}
            onChange={(value) => setFilters({ of: value === "all" ? value : "", keyword: "", own: "" })}
          />
        ) : null
      }
    >
      {all ? <All /> : <Mine />}
    </Page>
  );
}
