import { type GuestProblem, LOG_LEVELS } from '../contract.ts';
import type { ValueType } from '../pack/component-types.ts';
import type { GuestImports, GuestReply } from '../sandbox/plugin.ts';
import { type FieldRole, waitingCapabilityOf, waits } from './field-imports.ts';
import { fieldOf, fieldValue, isBytes } from './field-value.ts';

/** Of one request or one line; the guest's lists are as long as it likes. */
const MAX_PAIRS = 256;
const MAX_MESSAGE_CHARACTERS = 2048;

/** The function that a component of the field is linked with. The glue takes what is thrown for the error side of a result. */
export function hostFunction(role: FieldRole, { log, ask }: GuestImports): (...args: unknown[]) => unknown {
  if (!waits(role)) {
    return (_span, fields) => {
      const pairs = pairsOf(fields) ?? [];
      const [, level] = pairs.find(([name]) => name === 'level') ?? [];
      log?.(
        LOG_LEVELS.find((each) => each === level?.toLowerCase()) ?? 'info',
        pairs.map(([name, value]) => `${name}=${value}`).join(' '),
      );
      return 'ok';
    };
  }
  const capability = waitingCapabilityOf(role);
  return async (...args) => {
    const call = (fn: string, ...texts: string[]): Promise<GuestReply> => ask(capability, fn, texts);
    switch (role.kind) {
      case 'http_send':
        return sendHttp(role, args, call);
      case 'secret_get':
        return getSecret(role, String(args[0]), call);
      case 'state_read':
        return readState(role.error, String(args[0]), call);
      case 'state_write':
        return writeState(role.error, String(args[0]), args[1], call);
      case 'state_delete': {
        outputOf(await call('delete', String(args[0])), role.error);
        return 'ok';
      }
      default:
        return role satisfies never;
    }
  };
}

type Call = (fn: string, ...texts: string[]) => Promise<GuestReply>;

async function sendHttp(
  { options, response, error }: Extract<FieldRole, { kind: 'http_send' }>,
  args: readonly unknown[],
  call: Call,
): Promise<unknown> {
  const request = (args[0] ?? {}) as Record<string, unknown>;
  const headers = headersOf(request.headers);
  if (headers === undefined) {
    throw errorValue(error, problem('http_request_invalid', `At most ${MAX_PAIRS} headers were expected.`));
  }
  const { body } = request;
  const tuned = (options === null ? undefined : args[options]) as Record<string, unknown> | undefined;
  const timeoutMs = tuned?.timeoutMs;
  const reply = await call(
    'send',
    JSON.stringify({
      method: String(request.method),
      url: String(request.url),
      headers,
      ...(body instanceof Uint8Array
        ? { body: Buffer.from(body).toString('base64'), body_encoding: 'base64' }
        : {}),
      ...(typeof timeoutMs === 'number' && timeoutMs > 0 ? { timeout_ms: timeoutMs } : {}),
    }),
  );
  const answer = JSON.parse(outputOf(reply, error)) as HttpAnswer;
  return {
    ...(fieldValue(response, {}) as object),
    status: answer.status,
    headers: Object.entries(answer.headers),
    ...(isBytes(bodyType(response)) ? { body: Buffer.from(answer.body, answer.body_encoding) } : {}),
  };
}

/** What the host's `http.send` answers; see sdk/wit. */
interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly body_encoding: 'utf8' | 'base64';
}

function bodyType(response: ValueType): ValueType | undefined {
  const body = fieldOf(response, 'body');
  return body?.kind === 'option' ? body.value : body;
}

/** A header that comes several times is one with all its values (RFC 9110, section 5.3). */
function headersOf(value: unknown): Record<string, string> | undefined {
  const pairs = pairsOf(value);
  if (pairs === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const [name, text] of pairs) {
    const lower = name.toLowerCase();
    const before = headers.get(lower);
    headers.set(lower, before === undefined ? text : `${before}, ${text}`);
  }
  return Object.fromEntries(headers);
}

function pairsOf(value: unknown): [string, string][] | undefined {
  if (!Array.isArray(value)) return [];
  if (value.length > MAX_PAIRS) return undefined;
  return value.map((pair: unknown) => {
    const [name, text] = pair as [unknown, unknown];
    return [String(name), String(text)];
  });
}

async function getSecret(
  { errors }: Extract<FieldRole, { kind: 'secret_get' }>,
  key: string,
  call: Call,
): Promise<Uint8Array> {
  const reply = await call('get', key);
  if (reply.kind === 'ok') return Buffer.from(String(JSON.parse(reply.json)));
  const name = reply.problem.code === 'capability_denied' ? 'denied' : 'internal';
  throw errors.includes(name) ? name : errors[0];
}

/** Bytes stand in the store as JSON text of their base64: the store holds JSON. */
async function readState(error: ValueType, key: string, call: Call): Promise<Uint8Array> {
  const value: unknown = JSON.parse(outputOf(await call('get', key), error));
  if (value === null) throw errorValue(error, problem('not_found', 'There is no such key.'));
  return typeof value === 'string' ? Buffer.from(value, 'base64') : Buffer.from(JSON.stringify(value));
}

async function writeState(error: ValueType, key: string, bytes: unknown, call: Call): Promise<string> {
  const text = bytes instanceof Uint8Array ? Buffer.from(bytes).toString('base64') : '';
  outputOf(await call('set', key, JSON.stringify(text)), error);
  return 'ok';
}

function outputOf(reply: GuestReply, error: ValueType): string {
  if (reply.kind === 'ok') return reply.json;
  throw errorValue(error, reply.problem);
}

function errorValue(type: ValueType, { code, message }: GuestProblem): unknown {
  return fieldValue(type, { code, message: message.slice(0, MAX_MESSAGE_CHARACTERS) });
}

function problem(code: string, message: string): GuestProblem {
  return { code, message, retryable: false };
}
