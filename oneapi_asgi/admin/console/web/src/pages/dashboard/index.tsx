import { Button, Skeleton, Stack } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";

import { BASE } from "../../api";
import { Failed } from "../../parts/failed";
import { Page } from "../../parts/page";
import { useIsAdmin } from "../../session";
import { type Asked, filters, useAsked, useBefore, useOverTime, useTops } from "./asked";
import { Cards } from "./cards";
import { Controls } from "./controls";
import { dayOf } from "./range";
import { Start } from "./start";
import { parts, type Row, sum } from "./sums";
import { Tops } from "./tops";

const Charts = lazy(() => import("./charts"));

/** What calls cost, how many there were, and how they went: of everybody for administrators, otherwise one's own. */
export default function Dashboard() {
  const { t } = useTranslation("dashboard");
  const asked = useAsked();
  const overTime = useOverTime(asked);
  const before = useBefore(asked);
  const tops = useTops(asked);
  const admin = useIsAdmin();
  const rows = overTime.data;
  const late = overTime.isPlaceholderData; // of what was asked for before
  const { values } = asked;
  return (
    <Page
      title={t("title")}
      says={`${t(admin ? "saysAll" : "saysOwn")} ${asked.span.step === "day" ? t("zone") : ""}`}
      actions={
        <Button
          component="a"
          href={exported(asked)}
          download
          variant="default"
          leftSection={<IconDownload size={16} />}
        >
          {t("export")}
        </Button>
      }
    >
      <Controls
        asked={asked}
        names={names(
          asked,
          tops.map(({ data }) => data),
        )}
      />
      <Stack gap="lg" className={late ? "late" : ""} aria-busy={late}>
        <Cards now={rows && sum(rows)} before={before.data && sum(before.data)} />
        {overTime.error ? <Failed error={overTime.error} again={overTime.refetch} /> : null}
        {rows?.length === 0 ? (
          <Start
            narrowed={[values.model, values.user, values.token, values.channel].some(Boolean)}
            widen={() => asked.set({ model: "", user: "", token: "", channel: "" })}
          />
        ) : (
          <Stack gap="lg">
            <Suspense fallback={<Skeleton height={280} />}>
              {rows ? <Charts rows={rows} asked={asked} /> : <Skeleton height={280} />}
            </Suspense>
            <Tops asked={asked} found={tops} />
          </Stack>
        )}
      </Stack>
    </Page>
  );
}

/** What the filters are called: the address has their ids. */
function names({ splits, values }: Asked, found: readonly (readonly Row[] | undefined)[]): Record<string, string> {
  const known = splits.map((split, index): [string, string] => {
    const part = parts(found[index] ?? [], split).find(
      ({ key, name }) => values[split] === key || values[split] === name,
    );
    return [split, part?.name || values[split]];
  });
  return Object.fromEntries(known);
}

function exported(asked: Asked): string {
  const { since, until, step } = asked.span;
  const query = {
    by: asked.split ? `${step},${asked.split}` : step,
    since: dayOf(since),
    until: dayOf(until - 1),
    ...filters(asked),
    format: "csv",
  };
  return `${BASE}api/statistics?${new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]))}`;
}
