/** A channel as its form has it, and what the administration is told of it. */
import type { UseFormReturnType } from "@mantine/form";

import { Failure } from "../../api";
import { atField } from "../../parts/at-field";
import { type Channel, type ChannelEdit, type Kind, namesOf } from "./data";
import { type Credentials, keysOf, NO_CREDENTIALS, ownOptions, shapeOf } from "./providers";
import type { Pair } from "./rows";

export interface Values {
  provider: string;
  name: string;
  base_url: string;
  options: Record<string, string>;
  keys: Credentials;
  /** A channel for each key, rather than one that has them all. */
  apart: boolean;
  /** In place of the keys that there are, rather than beside them. */
  replace: boolean;
  models: string[];
  mapping: Pair[];
  group: string[];
  priority: number | string;
  weight: number | string;
  concurrent_calls: number | string;
  concurrent_calls_per_key: number | string;
  headers: Pair[];
  parameters: string;
  system_prompt: string;
  proxy: string;
  unsupported: string;
  dialects: string[];
  tag: string;
  note: string;
  test_model: string;
}

/** Of fields that count something. */
export const COUNT = { allowDecimal: false, max: 1_000_000 } as const;

export const NEW: Values = {
  provider: "",
  name: "",
  base_url: "",
  options: {},
  keys: NO_CREDENTIALS,
  apart: false,
  replace: false,
  models: [],
  mapping: [],
  group: ["default"],
  priority: 0,
  weight: 1,
  concurrent_calls: "",
  concurrent_calls_per_key: "",
  headers: [],
  parameters: "",
  system_prompt: "",
  proxy: "",
  unsupported: "drop",
  dialects: [],
  tag: "",
  note: "",
  test_model: "",
};

export function valuesOf(channel: Channel): Values {
  return {
    ...NEW,
    provider: channel.provider,
    name: channel.name,
    base_url: channel.base_url,
    options: channel.options,
    models: namesOf(channel.models),
    mapping: pairsOf(channel.model_mapping ? JSON.parse(channel.model_mapping) : {}),
    group: namesOf(channel.group),
    priority: channel.priority,
    weight: channel.weight,
    concurrent_calls: channel.concurrent_calls ?? "",
    concurrent_calls_per_key: channel.concurrent_calls_per_key ?? "",
    headers: pairsOf(channel.headers),
    parameters: Object.keys(channel.parameters).length > 0 ? JSON.stringify(channel.parameters, null, 2) : "",
    system_prompt: channel.system_prompt,
    proxy: channel.proxy,
    unsupported: channel.unsupported,
    dialects: channel.dialects,
    tag: channel.tag,
    note: channel.note,
    test_model: channel.test_model,
  };
}

function pairsOf(record: Readonly<Record<string, string>>): Pair[] {
  return Object.entries(record).map(([left, right], id) => ({ id, left, right }));
}

function recordOf(pairs: readonly Pair[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map(({ left, right }) => [left.trim(), right.trim()]).filter(([left]) => left !== ""),
  );
}

/** What an option is worth nothing for: it is one of another provider. */
function optionsOf({ options, base_url: url, provider }: Values, kind: Kind | undefined, before: Channel | null) {
  const known = new Set([...Object.keys(kind?.options ?? {}), ...ownOptions(kind, url)]);
  const same = provider === before?.provider;
  const said = Object.entries(options).filter(([name, value]) => value.trim() !== "" && (same || known.has(name)));
  return Object.fromEntries(said.map(([name, value]) => [name, value.trim()]));
}

function count(value: number | string): number | null {
  return value === "" ? null : Number(value);
}

/** All of a channel but its keys. */
export function draftOf(values: Values, kind: Kind | undefined, before: Channel | null): ChannelEdit {
  const { provider, name, models, group, system_prompt, proxy, dialects, tag, note, test_model } = values;
  return {
    provider,
    name,
    base_url: values.base_url.trim(),
    options: optionsOf(values, kind, before),
    models,
    model_mapping: recordOf(values.mapping),
    group,
    priority: Number(values.priority),
    weight: Number(values.weight),
    concurrent_calls: count(values.concurrent_calls),
    concurrent_calls_per_key: count(values.concurrent_calls_per_key),
    headers: recordOf(values.headers),
    parameters: (values.parameters.trim() ? JSON.parse(values.parameters) : {}) as Record<string, never>,
    system_prompt,
    proxy: proxy.trim(),
    unsupported: values.unsupported as "drop" | "refuse",
    dialects,
    tag: tag.trim(),
    note,
    test_model,
  };
}

/** What differs of two drafts, nothing else: others may change the rest meanwhile. */
export function changesOf(before: ChannelEdit, after: ChannelEdit): ChannelEdit {
  const names = Object.keys(after) as (keyof ChannelEdit)[];
  const changed = names.filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]));
  return Object.fromEntries(changed.map((name) => [name, after[name]]));
}

export type Mistake = "required" | "json" | "key.parts" | "key.json";

/** What can be seen to be wrong before the administration is asked, by field. */
export function mistakesOf(values: Values, kind: Kind | undefined): Record<string, Mistake> {
  const found: Record<string, Mistake> = {};
  if (!values.provider) found["provider"] = "required";
  if (!values.name.trim()) found["name"] = "required";
  if (kind && !kind.base_url && !values.base_url.trim()) found["base_url"] = "required";
  for (const [name, line] of Object.entries(kind?.options ?? {})) {
    if (line.startsWith("required:") && !values.options[name]?.trim()) found[`options.${name}`] = "required";
  }
  const keys = keysOf(shapeOf(values.provider), values.keys);
  if (!Array.isArray(keys)) found["keys"] = `key.${keys}`;
  if (values.models.length === 0) found["models"] = "required";
  if (!isObject(values.parameters)) found["parameters"] = "json";
  return found;
}

function isObject(text: string): boolean {
  if (!text.trim()) return true;
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null && !Array.isArray(found);
  } catch {
    return false;
  }
}

/** Fields that the administration calls otherwise. */
const FIELDS: Readonly<Record<string, string>> = {
  add: "keys",
  config: "options",
  count: "keys",
  key: "keys",
  model_mapping: "mapping",
  type: "provider",
};

/** Says at its field what a refusal is about; false if that is none of this form. */
export function tellMistake(error: unknown, form: UseFormReturnType<Values>, kind: Kind | undefined): boolean {
  if (error instanceof Failure && (error.param === "options" || error.param === "config")) {
    const option = Object.keys(kind?.options ?? {}).find((name) => error.message.includes(name));
    if (option) {
      form.setFieldError(`options.${option}`, error.message);
      return true;
    }
  }
  return atField(error, form, FIELDS);
}
