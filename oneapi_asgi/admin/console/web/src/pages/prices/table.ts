import type { Schemas } from "../../api";
import { PARTS } from "./parts";

type Edit = Partial<Schemas["PriceEdit"]>;

/** `value` is what is no number. */
export interface Wrong {
  line: number;
  why: "head" | "long" | "number";
  value?: string;
}

export interface Read {
  prices: Record<string, Edit | null>;
  wrong: Wrong[];
}

const NUMBER = /^\d+(\.\d{1,9})?$/;

/** Prices in lines, with commas or tabs between. The first line names the parts; a model alone has none from then on. */
export function readTable(text: string): Read {
  const lines = text.split("\n").map((line) => line.split(/[,\t]/).map((cell) => cell.trim().replace(/^\$/, "")));
  const [head = [], ...rest] = lines;
  const known = new Set<string>([...PARTS.map(([part]) => part), "max_output"]);
  if (head[0] !== "model" || head.length < 2 || head.slice(1).some((part) => !known.has(part))) {
    return { prices: {}, wrong: [{ line: 1, why: "head" }] };
  }
  const read: Read = { prices: {}, wrong: [] };
  for (const [index, [model = "", ...amounts]] of rest.entries()) {
    const line = index + 2;
    if (!model) continue;
    const bad = amounts.find((amount) => amount && !NUMBER.test(amount));
    if (amounts.length >= head.length) read.wrong.push({ line, why: "long" });
    else if (bad !== undefined) read.wrong.push({ line, why: "number", value: bad });
    else read.prices[model] = edited(head.slice(1), amounts);
  }
  return read;
}

function edited(parts: string[], amounts: string[]): Edit | null {
  const given = parts
    .map((part, index): [string, string | number] => {
      const amount = amounts[index] ?? "";
      return [part, part === "max_output" && amount ? Number(amount) : amount];
    })
    .filter(([, amount]) => amount !== "");
  return given.length ? Object.fromEntries(given) : null;
}
