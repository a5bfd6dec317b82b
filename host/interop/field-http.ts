import type { ValueType } from '../pack/component-types.ts';
import type { GuestReply } from '../sandbox/plugin.ts';
import type { FieldRole } from './field-imports.ts';
import { MAX_PAIRS, pairsOf } from './field-pairs.ts';
import { fieldOf, fieldValue, isBytes } from './field-value.ts';
import { type HostCall, outputOf } from './host-call.ts';

/** What still fits into a host call as base64, which is refused past 4 million characters. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** Of method, URL and headers together. */
const MAX_HEAD_CHARACTERS = 1024 * 1024;

/** `http.send` of the host (see sdk/wit) for the requests of the field. */
export async function sendHttp(
  { options, response, error }: Extract<FieldRole, { kind: 'http_send' }>,
  args: readonly unknown[],
  call: HostCall,
): Promise<unknown> {
  const tuned = options === null ? undefined : (args[options] as Record<string, unknown> | undefined);
  const reply = await sent((args[0] ?? {}) as Record<string, unknown>, tuned?.timeoutMs, call);
  const answer = JSON.parse(outputOf(reply, error)) as HttpAnswer;
  return {
    ...(fieldValue(response, {}) as object),
    status: answer.status,
    headers: Object.entries(answer.headers),
    ...(isBytes(bodyType(response)) ? { body: Buffer.from(answer.body, answer.body_encoding) } : {}),
  };
}

function sent(
  { method, url, headers, body }: Record<string, unknown>,
  timeoutMs: unknown,
  call: HostCall,
): Promise<GuestReply> {
  if (Array.isArray(headers) && headers.length > MAX_PAIRS) {
    const message = `At most ${MAX_PAIRS} headers were expected; ${headers.length} came.`;
    return call.refuse('http_request_invalid', message);
  }
  const pairs = pairsOf(headers);
  const head = [String(method), String(url), ...pairs.flat()];
  if (head.reduce((total, text) => total + text.length, 0) > MAX_HEAD_CHARACTERS) {
    const message = `Method, URL and headers of at most ${MAX_HEAD_CHARACTERS} characters were expected.`;
    return call.refuse('http_request_too_large', message);
  }
  if (body instanceof Uint8Array && body.length > MAX_BODY_BYTES) {
    const message = `A body of at most ${MAX_BODY_BYTES} bytes was expected; one of ${body.length} came.`;
    return call.refuse('http_request_too_large', message);
  }
  return call.ask(
    'send',
    JSON.stringify({
      method: String(method),
      url: String(url),
      headers: joined(pairs),
      ...(body instanceof Uint8Array
        ? { body: Buffer.from(body).toString('base64'), body_encoding: 'base64' }
        : {}),
      ...(typeof timeoutMs === 'number' && timeoutMs > 0 ? { timeout_ms: timeoutMs } : {}),
    }),
  );
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
function joined(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const headers = new Map<string, string>();
  for (const [name, text] of pairs) {
    const lower = name.toLowerCase();
    const before = headers.get(lower);
    headers.set(lower, before === undefined ? text : `${before}, ${text}`);
  }
  return Object.fromEntries(headers);
}
