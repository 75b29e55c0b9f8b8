/** Which days the dashboard tells of. The gateway adds calls up by days of UTC; an hour is a moment, whatever the zone. */
export const RANGES = ["today", "24h", "7d", "30d", "90d", "own"] as const;
export type RangeName = (typeof RANGES)[number];

const DAY = 86_400;
const HOUR = 3600;
const DAYS = { "7d": 7, "30d": 30, "90d": 90 } as const;
const MOST_DAYS = 366;

/** From `since` on, up to `until` without it, in Unix seconds; `before` is where the span of the same length begins that
 * it is compared with. */
export interface Range {
  step: "day" | "hour";
  since: number;
  until: number;
  before: number;
}

export function isRange(name: string): name is RangeName {
  return RANGES.some((known) => known === name);
}

export function range(name: RangeName, from: string, to: string, now = Date.now() / 1000): Range {
  const tomorrow = Math.floor(now / DAY) * DAY + DAY;
  if (name === "today" || name === "24h") {
    const next = Math.floor(now / HOUR) * HOUR + HOUR;
    const midnight = new Date(now * 1000).setHours(0, 0, 0, 0) / 1000;
    return hours(name === "today" ? Math.floor(midnight / HOUR) * HOUR : next - DAY, next);
  }
  if (name === "own") {
    const last = seconds(to) ?? tomorrow - DAY;
    const first = Math.max(Math.min(seconds(from) ?? last - 6 * DAY, last), last - (MOST_DAYS - 1) * DAY);
    return days(first, last + DAY);
  }
  return days(tomorrow - DAYS[name] * DAY, tomorrow);
}

/** Hours are compared with those of the day before. */
function hours(since: number, until: number): Range {
  return { step: "hour", since, until, before: since - DAY };
}

function days(since: number, until: number): Range {
  return { step: "day", since, until, before: since - (until - since) };
}

function seconds(day: string): number | null {
  const found = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(found) ? null : found / 1000;
}

/** "2026-01-31", in UTC. */
export function dayOf(time: number): string {
  return new Date(time * 1000).toISOString().slice(0, 10);
}

/** When each step of a range begins. */
export function times({ step, since, until }: Range): number[] {
  const size = step === "day" ? DAY : HOUR;
  return Array.from({ length: Math.max(1, Math.round((until - since) / size)) }, (_, index) => since + index * size);
}
