import { locale } from "../../i18n";

/** Days are those of UTC, as the gateway adds calls up; hours are shown in the viewer's zone. */
function formatter(step: "day" | "hour", options: Intl.DateTimeFormatOptions): (seconds: number) => string {
  const format = new Intl.DateTimeFormat(locale(), step === "day" ? { ...options, timeZone: "UTC" } : options);
  return (seconds) => format.format(seconds * 1000);
}

/** A mark of the axis. */
export function brief(step: "day" | "hour"): (seconds: number) => string {
  return formatter(
    step,
    step === "day" ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  );
}

/** A time as the tooltip and the table say it. */
export function whole(step: "day" | "hour"): (seconds: number) => string {
  const day = { weekday: "short", year: "numeric", month: "short", day: "numeric" } as const;
  const hour = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" } as const;
  const format = formatter(step, step === "day" ? day : hour);
  return step === "day" ? (seconds) => `${format(seconds)} UTC` : format;
}
