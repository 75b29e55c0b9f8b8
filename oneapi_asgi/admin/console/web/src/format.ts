/** Numbers, money and times as the viewer reads them. */
import { locale } from "./i18n";

/** Quota of One API in a dollar. */
export const QUOTA_PER_DOLLAR = 500_000;
const NANO_PER_QUOTA = 2_000;

export function dollarsOfNano(nano: number): number {
  return nano / NANO_PER_QUOTA / QUOTA_PER_DOLLAR;
}

export function quotaOfNano(nano: number): number {
  return Math.trunc(nano / NANO_PER_QUOTA);
}

export function quotaOfDollars(dollars: number): number {
  return Math.round(dollars * QUOTA_PER_DOLLAR);
}

function usd(dollars: number, least: number, most: number): string {
  return new Intl.NumberFormat(locale(), {
    style: "currency",
    currency: "USD",
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: least,
    maximumFractionDigits: most,
  }).format(dollars);
}

function isSmall(dollars: number): boolean {
  return dollars !== 0 && Math.abs(dollars) < 1;
}

/** Dollars, with as many digits as small amounts need: a call often costs a part of a cent. */
export function money(dollars: number): string {
  return usd(dollars, 2, isSmall(dollars) ? 6 : 2);
}

/** Dollars to the nano-dollar: prices are not rounded. */
export function exactMoney(dollars: number): string {
  return usd(dollars, 2, 9);
}

/** Dollars where there is little room: four digits after the point below a dollar, which line up below each other. */
export function shortMoney(dollars: number): string {
  const digits = isSmall(dollars) ? 4 : 2;
  return usd(dollars, digits, digits);
}

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

/** 12,345 as 12.3K, for what has little room. */
export function compact(value: number): string {
  return new Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

export function percent(part: number): string {
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(part);
}

/** A span of `seconds`: 340 ms, 2.1 s, 3 min. */
export function span(seconds: number): string {
  const [value, unit, digits] =
    seconds < 1
      ? ([seconds * 1000, "millisecond", 0] as const)
      : seconds < 120
        ? ([seconds, "second", 1] as const)
        : seconds < 7200
          ? ([seconds / 60, "minute", 0] as const)
          : ([seconds / 3600, "hour", 1] as const);
  return new Intl.NumberFormat(locale(), {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: digits,
  }).format(value);
}

/** A moment of Unix `seconds`, in the viewer's zone. */
export function moment(seconds: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(seconds * 1000);
}

/** The same where there is little room: without the year, unless it is another one. */
export function shortMoment(seconds: number, now = Date.now()): string {
  const at = new Date(seconds * 1000);
  const year = at.getFullYear() === new Date(now).getFullYear() ? {} : ({ year: "numeric" } as const);
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
  return new Intl.DateTimeFormat(locale(), { ...year, month: "short", day: "numeric", ...time }).format(at);
}

const STEPS: readonly (readonly [number, Intl.RelativeTimeFormatUnit])[] = [
  [60, "second"],
  [3600, "minute"],
  [86_400, "hour"],
  [86_400 * 30, "day"],
  [86_400 * 365, "month"],
  [Number.POSITIVE_INFINITY, "year"],
];
const UNITS = { second: 1, minute: 60, hour: 3600, day: 86_400, month: 86_400 * 30, year: 86_400 * 365 } as const;

/** "5 minutes ago", "in 3 days". */
export function relative(seconds: number, now = Date.now() / 1000): string {
  const away = seconds - now;
  const [, unit] = STEPS.find(([limit]) => Math.abs(away) < limit) ?? [0, "year" as const];
  const size = UNITS[unit as keyof typeof UNITS];
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(Math.trunc(away / size), unit);
}
