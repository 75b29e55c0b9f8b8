import type { Schemas } from "../../api";

export type Price = Schemas["PriceRow"];

/** The parts that a price can have, as they are called for the administration, and what each is per. */
export const PARTS = [
  ["input", "million"],
  ["output", "million"],
  ["cache_read", "million"],
  ["cache_write", "million"],
  ["cache_write_1h", "million"],
  ["reasoning", "million"],
  ["input_audio", "million"],
  ["output_audio", "million"],
  ["input_image", "million"],
  ["output_image", "million"],
  ["audio_minute", "minute"],
  ["per_call", "call"],
] as const;

export type Part = (typeof PARTS)[number][0];
export type Parts = Record<Part, string | null>;

export const MILLION = 1_000_000;

export function hasPrice(price: Parts): boolean {
  return PARTS.some(([part]) => price[part] !== null);
}

export function isFree(price: Price): boolean {
  return hasPrice(price) && [price, ...price.tiers].every((each) => PARTS.every(([part]) => !Number(each[part] ?? 0)));
}

export interface Count {
  input: number;
  /** Of the input. */
  cached: number;
  output: number;
}

/** The dollars of a call, as the gateway counts them: a tier takes the place of the whole price. */
export function costOf(price: Price, { input, cached, output }: Count): number {
  const tier = price.tiers.filter(({ above }) => input > above).toSorted((a, b) => b.above - a.above)[0];
  const paid: Parts = tier ?? price;
  const plain = Number(paid.input ?? 0);
  const read = Math.min(cached, input);
  const tokens = (input - read) * plain + read * Number(paid.cache_read ?? plain) + output * Number(paid.output ?? 0);
  return tokens / MILLION + Number(paid.per_call ?? 0);
}

const VENDORS: readonly (readonly [RegExp, string, string])[] = [
  [/claude/i, "Anthropic", "orange"],
  [/gpt|^o\d|dall-e|whisper|^tts|text-embedding-(3|ada)|davinci|babbage/i, "OpenAI", "teal"],
  [/gemini|gemma|palm|imagen/i, "Google", "blue"],
  [/deepseek/i, "DeepSeek", "indigo"],
  [/qwen|qwq|wanx/i, "Qwen", "violet"],
  [/llama/i, "Meta", "cyan"],
  [/mistral|mixtral|codestral|ministral|pixtral/i, "Mistral", "yellow"],
  [/grok/i, "xAI", "gray"],
  [/glm|cogview/i, "Zhipu", "lime"],
  [/kimi|moonshot/i, "Moonshot", "grape"],
  [/command|cohere|rerank|embed-/i, "Cohere", "pink"],
  [/ernie/i, "Baidu", "red"],
  [/doubao/i, "ByteDance", "cyan"],
  [/hunyuan/i, "Tencent", "blue"],
  [/abab|minimax/i, "MiniMax", "red"],
];

/** Whose model it is, told by its name, with a colour; null if the name does not say. */
export function vendorOf(model: string): { name: string; color: string } | null {
  const found = VENDORS.find(([pattern]) => pattern.test(model));
  return found ? { name: found[1], color: found[2] } : null;
}
