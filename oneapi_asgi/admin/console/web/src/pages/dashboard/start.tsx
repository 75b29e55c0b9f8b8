import { Button } from "@mantine/core";
import { IconChartHistogram } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { api, list } from "../../api";
import { Empty } from "../../parts/empty";
import { useIsAdmin } from "../../session";

/** Where there is no call to tell of: what is to be done first. */
export function Start({ narrowed, widen }: { narrowed: boolean; widen: () => void }) {
  const { t } = useTranslation("dashboard");
  const admin = useIsAdmin();
  const channels = useQuery({
    queryKey: ["channels", "any"],
    queryFn: () => list(() => api.GET("/channel", { params: { query: { page_size: 1 } } })),
    enabled: admin,
  });
  const tokens = useQuery({
    queryKey: ["token", "any"],
    queryFn: () => list(() => api.GET("/token", { params: { query: { page_size: 1 } } })),
  });
  const step = channels.data?.total === 0 ? "setup" : tokens.data?.total === 0 ? "token" : "call";
  const action = {
    setup: (
      <Button component={Link} href="/setup">
        {t("empty.setup.do")}
      </Button>
    ),
    token: (
      <Button component={Link} href="/tokens">
        {t("empty.token.do")}
      </Button>
    ),
    call: (
      <Button component={Link} href="/playground" variant="default">
        {t("empty.call.do")}
      </Button>
    ),
  }[step];
  return (
    <div className="panel">
      {narrowed ? (
        <Empty
          icon={<IconChartHistogram />}
          title={t("empty.none")}
          action={
            <Button variant="default" onClick={widen}>
              {t("empty.widen")}
            </Button>
          }
        >
          {t("empty.noneSays")}
        </Empty>
      ) : (
        <Empty icon={<IconChartHistogram />} title={t("empty.none")} action={action}>
          {t(`empty.${step}.says`)}
        </Empty>
      )}
    </div>
  );
}
