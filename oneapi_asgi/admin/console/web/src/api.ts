/** The administration as the console asks it: typed by its own description, one envelope, one kind of error. */
import createClient, { defaultPathSerializer } from "openapi-fetch";

import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
type Refusal = Omit<Schemas["Refusal"], "data">;

interface Envelope<T> {
  data: T;
  message: string;
  total?: number;
  /** Where the next page begins, of lists that are read on from there. */
  before?: string | null;
  /** There are more than `total`. */
  total_capped?: boolean;
}

interface Answer<T> {
  /** A text is what some routes answer if they are asked for another format. */
  data?: Envelope<T> | string;
  error?: Refusal;
  response: Response;
}

/** The address of the gateway, with a slash at its end; the page says it, as it may be mounted anywhere. */
export const BASE = document.baseURI;

export const api = createClient<paths>({
  baseUrl: `${BASE}api`,
  credentials: "same-origin",
  // Names of models and groups have slashes, which the gateway refuses to read in another form.
  pathSerializer: (path, parameters) => defaultPathSerializer(path, parameters).replaceAll("%2F", "/"),
});

/** A refusal of the administration, or that it could not be reached (status 0). */
export class Failure extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null = null,
    readonly param: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** Shows who is signed in once more that it is them; false if they would rather not. */
type Confirm = () => Promise<boolean>;

let confirm: Confirm = async () => false;
let over: () => void = () => undefined;

/** What happens when a password is asked for once more, and when a session has ended. */
export function listen(handlers: { confirm: Confirm; over: () => void }): void {
  ({ confirm, over } = handlers);
}

async function answered<T>(call: () => Promise<Answer<T>>): Promise<Envelope<T>> {
  let answer: Answer<T>;
  try {
    answer = await call();
  } catch {
    throw new Failure("", 0, "unreachable");
  }
  if (typeof answer.data === "object") return answer.data;
  const { error, response } = answer;
  if (error?.code === "confirmation_required" && (await confirm())) return answered(call);
  if (response.status === 401) over();
  const after = Number(response.headers.get("retry-after") ?? Number.NaN);
  throw new Failure(
    typeof error?.message === "string" ? error.message : "",
    response.status,
    error?.code ?? null,
    error?.param ?? null,
    Number.isFinite(after) ? after : null,
  );
}

/** What a route gives. `call` may be made twice: where something delicate asks for the password first. */
export async function ask<T>(call: () => Promise<Answer<T>>): Promise<T> {
  return (await answered(call)).data;
}

export interface Listed<T> {
  rows: T[];
  total: number;
  before: string | null;
  capped: boolean;
}

/** A page of a list, and how many there are in all. */
export async function list<T>(call: () => Promise<Answer<T[]>>): Promise<Listed<T>> {
  const { data, total, before, total_capped } = await answered(call);
  return { rows: data, total: total ?? data.length, before: before ?? null, capped: total_capped ?? false };
}
