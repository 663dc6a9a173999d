/** Calls the engine. Method and path of every call come from the contract's google.api.http option: none is written here. */
import {
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  getOption,
  type MessageJsonType,
} from "@bufbuild/protobuf";
import { createParser } from "eventsource-parser";
import { http } from "./gen/google/api/annotations_pb";

export type Input<M extends DescMethod> = MessageJsonType<M["input"]>;
export type Output<M extends DescMethod> = MessageJsonType<M["output"]>;

/** A refusal, in the words of problem+json. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Stable code, for example ETAG_MISMATCH. */
    readonly reason: string = "",
    readonly violations: { field: string; description: string }[] = [],
    readonly metadata: Record<string, string> = {},
  ) {
    super(message);
  }
}

export interface Route {
  verb: string;
  path: string;
  query: URLSearchParams;
  body: string | undefined;
}

const PLACE = /\{([^}=]+)(?:=[^}]*)?\}/g;

type JsonObject = Record<string, unknown>;

/** Where a call goes: path places are filled from the request, what is left is the body or the query. */
export function route(method: DescMethod, request: JsonObject): Route {
  const { pattern, body } = getOption(method, http);
  if (!pattern.case || pattern.case === "custom") throw new Error(`${method.name} has no HTTP binding`);
  const rest = { ...request };
  const path = pattern.value.replace(PLACE, (_, name: string) => {
    const key = method.input.fields.find((field) => field.name === name)?.jsonName ?? name;
    const value = rest[key];
    if (value === undefined || value === "") throw new Error(`${method.name} needs ${key}`);
    delete rest[key];
    return encodeURIComponent(String(value));
  });
  const query = new URLSearchParams();
  if (!body) flatten(query, "", rest);
  return { verb: pattern.case.toUpperCase(), path, query, body: body ? JSON.stringify(rest) : undefined };
}

function flatten(query: URLSearchParams, prefix: string, value: unknown): void {
  if (value === undefined || value === null || value === "") return;
  if (Array.isArray(value)) for (const each of value) flatten(query, prefix, each);
  else if (typeof value === "object")
    for (const [key, each] of Object.entries(value)) flatten(query, prefix ? `${prefix}.${key}` : key, each);
  else query.append(prefix, String(value));
}

/** Told when a call finds that nobody is signed in. */
export const onSignedOut = new Set<() => void>();

let csrf = "";

/** The token that the server gave to this page, to be sent with whatever changes something. */
export function setCsrf(token: string | undefined): void {
  csrf = token ?? "";
}

/** fetch with our cookies and the token that proves that the request comes from this page. */
export async function send(
  verb: string,
  url: string,
  body?: string,
  init: RequestInit = {},
): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json", ...(init.headers as object) };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (csrf && verb !== "GET") headers["x-csrf-token"] = csrf;
  let response: Response;
  try {
    response = await fetch(url, {
      ...init,
      method: verb,
      body: body ?? null,
      headers,
      credentials: "same-origin",
    });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError(0, "The engine can not be reached.", "UNREACHABLE");
  }
  if (response.ok) return response;
  if (response.status === 401) for (const tell of onSignedOut) tell();
  throw await problem(response);
}

async function problem(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const said = JSON.parse(text) as JsonObject;
    return new ApiError(
      response.status,
      String(said.detail ?? said.message ?? said.title ?? response.statusText),
      String(said.reason ?? ""),
      (said.violations ?? said.errors ?? []) as ApiError["violations"],
      (said.metadata ?? {}) as Record<string, string>,
    );
  } catch {
    return new ApiError(response.status, text.slice(0, 300) || response.statusText);
  }
}

function url(to: Route): string {
  const query = to.query.toString();
  return query ? `${to.path}?${query}` : to.path;
}

/** A unary call. */
export async function call<M extends DescMethodUnary>(
  method: M,
  request: Input<M>,
  init: RequestInit = {},
): Promise<Output<M>> {
  const to = route(method, request as JsonObject);
  return (await (await send(to.verb, url(to), to.body, init)).json()) as Output<M>;
}

/** A server stream, as Server-Sent Events. Ends when the server ends it; throws ApiError. */
export async function* stream<M extends DescMethodServerStreaming>(
  method: M,
  request: Input<M>,
  signal?: AbortSignal,
): AsyncGenerator<Output<M>> {
  const to = route(method, request as JsonObject);
  const response = await send(to.verb, url(to), to.body, {
    headers: { accept: "text/event-stream" },
    ...(signal ? { signal } : {}),
  });
  const waiting: Output<M>[] = [];
  let failed: ApiError | undefined;
  const parser = createParser({
    onEvent(event) {
      if (event.event === "error") {
        const said = JSON.parse(event.data) as JsonObject;
        failed = new ApiError(
          Number(said.status ?? 500),
          String(said.detail ?? said.title),
          String(said.reason ?? ""),
        );
      } else if (event.event !== "end" && event.data) waiting.push(JSON.parse(event.data) as Output<M>);
    },
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (value) parser.feed(value);
      yield* waiting.splice(0);
      if (failed) throw failed;
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
