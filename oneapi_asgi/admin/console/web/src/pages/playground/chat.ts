/** A chat through the gateway, as any client of it would ask for one. */
import { BASE } from "../../api";
import { eventsOf } from "./sse";

export interface Turn {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface Ask {
  model: string;
  messages: Turn[];
  temperature: number | null;
  maxTokens: number | null;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}

/** What came so far: `request` names the call in the log, times are in milliseconds. */
export interface Answer {
  text: string;
  thoughts: string;
  usage: Usage | null;
  request: string;
  began: number;
  first: number | null;
  ended: number | null;
  finish: string;
}

interface Chunk {
  choices?: {
    delta?: { content?: string | null; reasoning_content?: string | null; refusal?: string | null };
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  error?: { message?: string };
}

/** The gateway did not answer as it should; the message is its own where there is one. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export function bodyOf({ model, messages, temperature, maxTokens }: Ask): object {
  return {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature === null ? {} : { temperature }),
    ...(maxTokens === null ? {} : { max_tokens: maxTokens }),
  };
}

export function curlOf(ask: Ask): string {
  return [
    `curl -N ${BASE}v1/chat/completions \\`,
    '  -H "Authorization: Bearer $ONEAPI_KEY" \\',
    '  -H "Content-Type: application/json" \\',
    `  -d '${JSON.stringify(bodyOf(ask)).replaceAll("'", String.raw`'\''`)}'`,
  ].join("\n");
}

/** Asks, and tells of the answer each time that some of it came.
 *
 * @throws Refused, or what `fetch` throws: an AbortError where `signal` was.
 */
export async function chat(ask: Ask, key: string, signal: AbortSignal, tell: (answer: Answer) => void): Promise<void> {
  const answer: Answer = {
    text: "",
    thoughts: "",
    usage: null,
    request: "",
    began: performance.now(),
    first: null,
    ended: null,
    finish: "",
  };
  const response = await fetch(`${BASE}v1/chat/completions`, {
    method: "POST",
    credentials: "omit",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(bodyOf(ask)),
    signal,
  });
  answer.request = response.headers.get("x-request-id") ?? "";
  tell({ ...answer });
  if (!response.ok || !response.body) throw new Refused(await reasonOf(response), response.status);
  try {
    for await (const data of eventsOf(response.body)) {
      if (data === "[DONE]") break;
      take(answer, JSON.parse(data) as Chunk);
      tell({ ...answer });
    }
  } finally {
    answer.ended = performance.now();
    tell({ ...answer });
  }
}

function take(answer: Answer, chunk: Chunk): void {
  if (chunk.error) throw new Refused(chunk.error.message ?? "", 200);
  if (chunk.usage) answer.usage = chunk.usage;
  const choice = chunk.choices?.[0];
  answer.text += choice?.delta?.content ?? choice?.delta?.refusal ?? "";
  answer.thoughts += choice?.delta?.reasoning_content ?? "";
  answer.finish = choice?.finish_reason ?? answer.finish;
  if (answer.first === null && (answer.text || answer.thoughts)) answer.first = performance.now();
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const said = (await response.json()) as { error?: { message?: string } };
    return said.error?.message ?? "";
  } catch {
    return "";
  }
}
