import type { Schemas } from "../../api";
import { dollarsOfNano } from "../../format";
import { type Line, MOST_LINES, type Series } from "../../parts/chart";
import { type Range, times } from "./range";

export type Row = Schemas["StatisticRow"];
export type Split = "model" | "user" | "token" | "channel";
export type Metric = "spend" | "calls" | "tokens" | "errors" | "latency" | "first";

export interface Sums {
  calls: number;
  failed: number;
  cost: number;
  tokens: number;
  duration: number;
  /** Calls of which it is known when their first content came, which is told by the hour alone, and their seconds. */
  firsts: number;
  first: number;
}

/** Something that calls are told apart by; `id` is 0 for models, whose name is all there is. */
export interface Part extends Sums {
  key: string;
  id: number;
  name: string;
}

export function sum(rows: Iterable<Row>): Sums {
  const all: Sums = { calls: 0, failed: 0, cost: 0, tokens: 0, duration: 0, firsts: 0, first: 0 };
  for (const row of rows) add(all, row);
  return all;
}

function add(all: Sums, row: Row): void {
  all.calls += row.calls;
  all.failed += row.failed;
  all.cost += row.cost;
  all.tokens += row.input + row.output;
  all.duration += row.duration;
  all.firsts += row.first_contents;
  all.first += (row.first_content ?? 0) * row.first_contents;
}

/** Of each metric what it is; null where there was no call to measure. */
export const MEASURES: Readonly<Record<Metric, (sums: Sums) => number | null>> = {
  spend: ({ cost }) => dollarsOfNano(cost),
  calls: ({ calls }) => calls,
  tokens: ({ tokens }) => tokens,
  errors: ({ failed }) => failed,
  latency: ({ duration, calls }) => (calls ? duration / calls : null),
  first: ({ first, firsts }) => (firsts ? first / firsts : null),
};

const NONE = sum([]);

function identity(row: Row, split: Split): { id: number; name: string } {
  if (split === "model") return { id: 0, name: row.model };
  return { id: row[`${split}_id`], name: row[split] };
}

/** What is left of the rows for each model, user and so on: those that cost most first. */
export function parts(rows: readonly Row[], split: Split): Part[] {
  const found = new Map<string, Part>();
  for (const row of rows) {
    const { id, name } = identity(row, split);
    const key = id ? String(id) : name;
    const part = found.get(key) ?? { key, id, name, ...sum([]) };
    add(part, row);
    found.set(key, part);
  }
  return [...found.values()].toSorted((one, other) => other.cost - one.cost || other.calls - one.calls);
}

/** When a row's step began. */
export function timeOf({ hour, day }: Row): number {
  return Date.parse(hour ? `${hour}:00:00Z` : `${day}T00:00:00Z`) / 1000;
}

export interface Named {
  all: string;
  rest: string;
  of: (part: { id: number; name: string }) => string;
}

type Table = ReadonlyMap<string, ReadonlyMap<number, Sums>>;

function tabled(rows: readonly Row[], split: Split | null, kept: ReadonlySet<string>): Table {
  const table = new Map<string, Map<number, Sums>>();
  for (const row of rows) {
    const { id, name } = split ? identity(row, split) : { id: 0, name: "" };
    const own = id ? String(id) : name;
    const key = split && !kept.has(own) ? REST : own;
    const line = table.get(key) ?? new Map<number, Sums>();
    const at = timeOf(row);
    const sums = line.get(at) ?? sum([]);
    add(sums, row);
    line.set(at, sums);
    table.set(key, line);
  }
  return table;
}

const REST = "\0rest";

/** The same lines in the same colours for each metric: those that cost most, and the rest together. */
export function serieses(
  rows: readonly Row[],
  range: Range,
  split: Split | null,
  named: Named,
): Record<Metric, Series> {
  const steps = times(range);
  const most = split ? parts(rows, split).slice(0, MOST_LINES) : [];
  const table = tabled(rows, split, new Set(most.map(({ key }) => key)));
  const heads = split
    ? most.map((part, colour) => ({ key: part.key, label: named.of(part), colour }))
    : [{ key: "", label: named.all, colour: 0 }];
  if (table.has(REST)) heads.push({ key: REST, label: named.rest, colour: MOST_LINES });
  const of = (metric: Metric): Series => ({
    times: steps,
    step: range.step,
    lines: heads.map(({ key, label, colour }): Line => ({
      key,
      label,
      colour,
      values: steps.map((time) => MEASURES[metric](table.get(key)?.get(time) ?? NONE)),
    })),
  });
  return {
    spend: of("spend"),
    calls: of("calls"),
    tokens: of("tokens"),
    errors: of("errors"),
    latency: of("latency"),
    first: of("first"),
  };
}
