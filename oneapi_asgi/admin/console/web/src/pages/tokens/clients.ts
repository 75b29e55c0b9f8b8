/** A key, as clients take it. The links of One API's console are kept: people have them in their notes. */
import { BASE } from "../../api";

export const FORMATS = ["curl", "python", "next", "lobe", "opencat", "ama"] as const;
export type Format = (typeof FORMATS)[number];

const NEXT = "https://app.nextchat.dev";
const LOBE = "https://lobechat.com";

/** `chat` is the page to chat with that the site names, in place of the public ones. */
interface Target {
  key: string;
  model: string;
  chat: string;
}

const WRITERS: Record<Format, (target: Target) => string> = {
  curl: ({ key, model }) =>
    [
      `curl ${BASE}v1/chat/completions \\`,
      `  -H "Authorization: Bearer ${key}" \\`,
      `  -H "Content-Type: application/json" \\`,
      `  -d '${quoted(JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }))}'`,
    ].join("\n"),
  python: ({ key, model }) =>
    [
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url="${BASE}v1", api_key="${key}")`,
      "answer = client.chat.completions.create(",
      `    model=${JSON.stringify(model)},`,
      '    messages=[{"role": "user", "content": "Hello"}],',
      ")",
      "print(answer.choices[0].message.content)",
    ].join("\n"),
  next: ({ key, chat }) => `${chat || NEXT}/#/?settings=${encoded({ key, url: address() })}`,
  lobe: ({ key, chat }) =>
    `${chat || LOBE}/?settings=${encoded({ keyVaults: { openai: { apiKey: key, baseURL: `${BASE}v1` } } })}`,
  opencat: ({ key }) => `opencat://team/join?domain=${encodeURIComponent(address())}&token=${key}`,
  ama: ({ key }) => `ama://set-api-key?server=${encodeURIComponent(address())}&key=${key}`,
};

export function written(format: Format, target: Target): string {
  return WRITERS[format]({ ...target, chat: target.chat.replace(/\/+$/, "") });
}

/** The gateway's address without a slash at its end. */
function address(): string {
  return BASE.replace(/\/$/, "");
}

function encoded(settings: object): string {
  return encodeURIComponent(JSON.stringify(settings));
}

/** Within the single quotes of a shell. */
export function quoted(text: string): string {
  return text.replaceAll("'", "'\\''");
}
