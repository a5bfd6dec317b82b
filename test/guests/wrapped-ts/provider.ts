/** The twin of ../wrapped-as/assembly/index.ts: calls the SDK's functions of the host with what its input says, and shows what they gave. */
import { get as rawSecret } from 'gtpack:plugin/secrets@0.1.0';
import {
  bus,
  defineProvider,
  type HttpRequest,
  type HttpResponse,
  http,
  type Json,
  log,
  ProviderProblem,
  secrets,
  state,
  type Timer,
  type TimerQuery,
  type TypedDraft,
  timers,
} from 'gtpack/sdk';

interface RequestInput {
  readonly method?: Uppercase<string>;
  readonly url: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly text?: string;
  readonly json?: Json;
  /** base64 */
  readonly bytes?: string;
  readonly zeros?: number;
  readonly timeout?: number;
  readonly auth?: string;
}

export const { invoke } = defineProvider({
  invoke: {
    http_send: (input) => shown(http.send(requestOf(input as unknown as RequestInput))),
    bus_publish: (input) => bus.publish(input as unknown as TypedDraft[]),
    timers_set: (input) => timers.set(input as unknown as Timer),
    timers_clear: (input) => timers.clear(input as string),
    timers_list: (input) => timers.list(input as TimerQuery) as unknown as Json,
    state_get: (input) => state.get(input as string),
    state_get_text(input) {
      const value = state.get(input as string);
      return typeof value === 'string' ? value : null;
    },
    state_get_integer(input) {
      const value = state.get(input as string);
      return Number.isInteger(value) ? value : -1;
    },
    state_set: (input) => setState(input),
    state_set_text: (input) => setState(input),
    state_set_integer: (input) => setState(input),
    state_delete: (input) => state.delete(input as string),
    secrets_get: (input) => secrets.get(input as string),
    caught(input) {
      try {
        return secrets.get(input as string);
      } catch (problem) {
        if (!(problem instanceof ProviderProblem)) throw problem;
        return { code: problem.code, message: problem.message, retryable: problem.retryable };
      }
    },
    raw: (input) => rawSecret(input as string),
    refuse(input) {
      log.warn(input as string);
      throw new ProviderProblem('asked_to_refuse', input as string);
    },
    no_json() {
      state.set('k', (() => 1) as unknown as Json);
      return null;
    },
  },
});

function setState(input: Json): Json {
  const { key, value } = input as { key: string; value: Json };
  state.set(key, value);
  return null;
}

function requestOf({
  headers,
  text,
  json,
  bytes,
  zeros,
  timeout,
  auth,
  method,
  url,
}: RequestInput): HttpRequest {
  const parts = {
    url,
    ...(method !== undefined && { method }),
    ...(headers !== undefined && { headers: Object.fromEntries(headers) }),
    ...(timeout !== undefined && { timeout_ms: timeout }),
    ...(auth !== undefined && { auth }),
  };
  if (json !== undefined) return { ...parts, json };
  if (text !== undefined) return { ...parts, body: text };
  if (bytes !== undefined) return { ...parts, body: Uint8Array.fromBase64(bytes) };
  return zeros === undefined ? parts : { ...parts, body: new Uint8Array(zeros) };
}

/** Long bodies are only counted. */
function shown(response: HttpResponse): Json {
  const { body } = response;
  const bytes = response.bytes();
  const isShort = body.length <= 1000;
  return {
    status: response.status,
    ok: response.ok,
    base64: response.body_encoding === 'base64',
    type: response.header('Content-Type'),
    proto: response.header('toString'),
    units: body.length,
    size: bytes.length,
    body: isShort ? body : null,
    bytes: isShort ? bytes.toBase64() : null,
    json: jsonOf(response),
  };
}

function jsonOf(response: HttpResponse): Json {
  try {
    response.json();
    return true;
  } catch (problem) {
    return (problem as ProviderProblem).retryable ? 'later' : false;
  }
}
