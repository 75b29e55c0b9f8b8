/** What is asked for a channel of each provider: which fields make up a key, and which values an option has. */
import type { Kind } from "./data";

export type KeyShape = "plain" | "aws" | "entra" | "google";

/** The parts of a key that is not one word, in their order. */
export const KEY_PARTS = {
  plain: [],
  aws: ["accessKey", "secretKey", "sessionToken"],
  entra: ["tenant", "client", "clientSecret"],
  google: ["account"],
} as const satisfies Record<KeyShape, readonly string[]>;

export type KeyPart = (typeof KEY_PARTS)[KeyShape][number];

const SHAPES: Readonly<Record<string, KeyShape>> = {
  azure: "entra",
  "azure-claude": "entra",
  bedrock: "aws",
  "bedrock-openai": "aws",
  vertex: "google",
};

const OPTIONAL: ReadonlySet<KeyPart> = new Set(["sessionToken"]);

/** Options that every channel may have; they stand among the settings of requests. */
export const COMMON_OPTIONS = ["quirks", "files", "cost_factor"] as const;

/** Options that have texts of their own here; others are told of in the administration's words. */
export const KNOWN_OPTIONS = [
  "account",
  "api_version",
  "authority",
  "base_model",
  "cost_factor",
  "files",
  "guardrail",
  "location",
  "project",
  "quirks",
  "region",
  "safety",
  "scope",
  "service",
  "user_id",
] as const;

export type KnownOption = (typeof KNOWN_OPTIONS)[number];

/** Usual values of options; others can be typed. */
export const OPTION_VALUES: Readonly<Record<string, readonly string[]>> = {
  region: ["us-east-1", "us-east-2", "us-west-2", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-3"].concat([
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "sa-east-1",
  ]),
  location: ["global", "us-central1", "us-east5", "europe-west1", "europe-west4", "asia-northeast1", "asia-southeast1"],
  safety: ["BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE", "OFF"],
  files: ["yes", "no"],
};

/** Where a base URL has to be given, what it looks like. */
export const BASE_URLS: Readonly<Record<string, string>> = {
  azure: "https://RESOURCE.openai.azure.com/openai/v1",
  "azure-claude": "https://RESOURCE.services.ai.azure.com/anthropic",
  "anthropic-compatible": "https://llm.example.com",
};

/** Other names by which people look for a provider. */
const ALIASES: Readonly<Record<string, string>> = {
  "360": "智脑",
  anthropic: "claude",
  azure: "微软 microsoft foundry",
  baichuan: "百川",
  bedrock: "amazon 亚马逊",
  coze: "扣子",
  dashscope: "阿里 通义 千问 百炼 tongyi",
  "dashscope-intl": "阿里 通义 千问 tongyi",
  deepseek: "深度求索",
  gemini: "谷歌",
  hunyuan: "腾讯 混元",
  lingyiwanwu: "零一万物 yi",
  minimax: "稀宇 abab",
  "minimax-cn": "稀宇 abab",
  moonshot: "月之暗面",
  "openai-compatible": "自定义 兼容 newapi oneapi one-api litellm",
  qianfan: "百度 千帆 文心 ernie",
  siliconflow: "硅基流动",
  spark: "科大讯飞 星火 xfyun",
  stepfun: "阶跃星辰",
  vertex: "谷歌",
  volcengine: "火山引擎 方舟 豆包 字节 bytedance",
  xai: "grok",
  zhipu: "智谱 bigmodel chatglm",
};

export function shapeOf(provider: string): KeyShape {
  return SHAPES[provider] ?? "plain";
}

/** Whether somebody who types this may mean that provider. */
export function isMeant(kind: Kind, typed: string): boolean {
  const { provider, name, base_url: url, note } = kind;
  const text = `${provider} ${name} ${url} ${note} ${ALIASES[provider] ?? ""}`.toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** The options that one provider has beside those of all, with those that stand in braces in a base URL. */
export function ownOptions(kind: Kind | undefined, baseUrl: string): string[] {
  const common: readonly string[] = COMMON_OPTIONS;
  const told = Object.keys(kind?.options ?? {}).filter((name) => !common.includes(name));
  const braced = [...baseUrl.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  return [...new Set([...told, ...braced])];
}

export function isRequired(kind: Kind | undefined, option: string): boolean {
  return kind?.options[option]?.startsWith("required:") ?? false;
}

/** What was typed as keys: whole ones a line each, or one in its parts. */
export interface Credentials {
  whole: boolean;
  lines: string;
  parts: Partial<Record<KeyPart, string>>;
}

export const NO_CREDENTIALS: Credentials = { whole: false, lines: "", parts: {} };

export type KeyMistake = "parts" | "json";

/** The keys that were typed, as the gateway wants each; or what is wrong with them. */
export function keysOf(shape: KeyShape, { whole, lines, parts }: Credentials): string[] | KeyMistake {
  if (shape === "plain" || whole) return lines.split("\n").flatMap((line) => line.trim() || []);
  const names: readonly KeyPart[] = KEY_PARTS[shape];
  const said = names.map((name) => parts[name]?.trim() ?? "");
  if (said.every((part) => part === "")) return [];
  if (shape === "google") return accountsOf(said[0] ?? "");
  if (names.some((name, at) => !said[at] && !OPTIONAL.has(name))) return "parts";
  return [said.filter((part) => part !== "").join("|")];
}

/** The service accounts of a JSON document: one, or a list of them. */
function accountsOf(text: string): string[] | KeyMistake {
  try {
    const found: unknown = JSON.parse(text);
    const accounts = Array.isArray(found) ? found : [found];
    if (!accounts.every((one) => typeof one === "object" && one !== null)) return "json";
    return accounts.map((one) => JSON.stringify(one));
  } catch {
    return "json";
  }
}
