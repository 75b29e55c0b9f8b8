import { useEffect, useRef, useState } from "react";

import { api, ask } from "../../api";
import { type Answer, chat, type Turn } from "./chat";

/** A turn that is shown. `error` is why an answer is not whole; `cost` is in nano-dollars, once the log knows. */
export interface Shown {
  id: number;
  role: "user" | "assistant";
  text: string;
  answer: Answer | null;
  state: "done" | "running" | "stopped" | "failed";
  error: unknown;
  cost: number | null;
}

export interface Settings {
  model: string;
  system: string;
  temperature: number | null;
  maxTokens: number | null;
}

/** What is sent for these turns: questions that were answered, with their answers, and the last one. */
export function messagesOf(system: string, turns: readonly Shown[]): Turn[] {
  const said = turns.filter(({ text }, at) => text !== "" && turns[at + 1]?.text !== "");
  return [
    ...(system.trim() ? [{ role: "system" as const, content: system }] : []),
    ...said.map(({ role, text }) => ({ role, content: text })),
  ];
}

/** A conversation: what was said, and the answer that is on its way. */
export function useTalk(keyOf: () => Promise<string>) {
  const [turns, setTurns] = useState<Shown[]>([]);
  const running = useRef<AbortController | null>(null);
  const last = useRef(0);
  useEffect(() => () => running.current?.abort(), []); // whoever goes pays for no more of it

  function change(id: number, part: Partial<Shown>) {
    setTurns((before) => before.map((turn) => (turn.id === id ? { ...turn, ...part } : turn)));
  }

  /** Puts the question after these turns. */
  async function send(text: string, settings: Settings, before: readonly Shown[] = turns) {
    const question = fresh(++last.current, "user", text);
    const reply = { ...fresh(++last.current, "assistant", ""), state: "running" as const };
    const stop = new AbortController();
    running.current = stop;
    setTurns([...before, question, reply]);
    const messages = messagesOf(settings.system, [...before, question]);
    const perFrame = framed((answer: Answer) => change(reply.id, { answer, text: answer.text }));
    let newest: Answer | null = null;
    try {
      await chat({ ...settings, messages }, await keyOf(), stop.signal, (answer) => {
        newest = answer;
        perFrame.show(answer);
      });
      perFrame.end();
      change(reply.id, { state: "done" });
    } catch (error) {
      perFrame.end();
      change(reply.id, stop.signal.aborted ? { state: "stopped" } : { state: "failed", error });
    } finally {
      running.current = null;
    }
    const request = (newest as Answer | null)?.request;
    if (request) change(reply.id, { cost: await costOf(request) });
  }

  /** Asks the last question once more. */
  function again(settings: Settings) {
    const at = turns.findLastIndex(({ role }) => role === "user");
    const question = turns[at];
    if (question) void send(question.text, settings, turns.slice(0, at));
  }

  function clear() {
    running.current?.abort();
    setTurns([]);
  }

  return { turns, send, again, clear, stop: () => running.current?.abort() };
}

function fresh(id: number, role: Shown["role"], text: string): Shown {
  return { id, role, text, answer: null, state: "done", error: null, cost: null };
}

/** Shows the newest of what comes once a frame: an answer may come faster than it can be drawn. */
function framed<T>(draw: (value: T) => void) {
  let newest: T | null = null;
  let frame = 0;
  function now() {
    cancelAnimationFrame(frame);
    frame = 0;
    if (newest !== null) draw(newest);
    newest = null;
  }
  return {
    show(value: T) {
      newest = value;
      frame ||= requestAnimationFrame(now);
    },
    end: now,
  };
}

const LOOKS = [300, 700, 1500, 3000];

/** What a call has cost, by the log, which knows a moment after its end; null if it is not there, as of a foreign key. */
async function costOf(request: string): Promise<number | null> {
  for (const wait of LOOKS) {
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    await new Promise((resolve) => setTimeout(resolve, wait));
    // oxlint-disable-next-line no-await-in-loop
    const rows = await ask(() => api.GET("/log/self", { params: { query: { type: 2, page_size: 20 } } })).catch(
      () => [],
    );
    if (rows.some((row) => row.request_id === request)) {
      return ask(() => api.GET("/log/call/{request}", { params: { path: { request } } })).then(
        ({ cost }) => cost,
        () => null,
      );
    }
  }
  return null;
}
