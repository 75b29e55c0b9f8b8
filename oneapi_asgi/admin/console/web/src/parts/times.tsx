import { Select, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";

/** Spans that end now, in seconds. */
const SPANS = { "1h": 3600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 } as const;
const NAMES = ["any", "1h", "24h", "7d", "30d", "own"] as const;
type Name = (typeof NAMES)[number];

export interface TimeValues {
  time: string;
  since: string;
  until: string;
}

function named(time: string): Name {
  return NAMES.find((name) => name === time) ?? "any";
}

/** The first and the last second, as far as there is one; whole minutes, so that what was asked for is found again. */
export function timeFilter({ time, since, until }: TimeValues, now = Date.now() / 1000) {
  const name = named(time);
  if (name === "any") return {};
  if (name !== "own") return { start_timestamp: Math.floor((now - SPANS[name]) / 60) * 60 };
  const [first, last] = [Number(since) || 0, Number(until) || 0];
  return { ...(first ? { start_timestamp: first } : {}), ...(last ? { end_timestamp: last + 59 } : {}) };
}

/** A moment as the browser's own field has it, in the viewer's zone. */
function local(seconds: string): string {
  if (!Number(seconds)) return "";
  const at = new Date(Number(seconds) * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function secondsOf(text: string): string {
  const at = Date.parse(text);
  return Number.isNaN(at) ? "" : String(Math.floor(at / 1000));
}

/** From when to when: the last so many hours or days, or of one's own choice. */
export function Times({ values, set }: { values: TimeValues; set: (change: Partial<TimeValues>) => void }) {
  const { t } = useTranslation();
  const name = named(values.time);
  return (
    <>
      <Select
        label={t("time.label")}
        data={NAMES.map((value) => ({ value, label: t(`time.${value}`) }))}
        value={name}
        allowDeselect={false}
        onChange={(value) => set({ time: value === "any" ? "" : (value ?? ""), since: "", until: "" })}
      />
      {name === "own" ? (
        <>
          <TextInput
            type="datetime-local"
            label={t("time.since")}
            value={local(values.since)}
            onChange={(event) => set({ since: secondsOf(event.currentTarget.value) })}
          />
          <TextInput
            type="datetime-local"
            label={t("time.until")}
            value={local(values.until)}
            onChange={(event) => set({ until: secondsOf(event.currentTarget.value) })}
          />
        </>
      ) : null}
    </>
  );
}
