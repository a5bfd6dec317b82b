import { Buffer } from 'node:buffer';
import * as z from 'zod';
import { errorMessage, GtpackError } from '../../errors.ts';
import { parseBoundedJson } from '../../event/json-bounds.ts';
import { quoted } from '../../event/names.ts';
import { readTraceparent, traceparent } from '../../event/trace.ts';
import { isHeaderName, isHeaderValue, isHostOwned } from '../../grant/header-names.ts';
import type { HttpGrant } from '../../grant/http-grant.ts';
import { closedObject } from '../../yaml.ts';
import type { Header } from './header.ts';

/** One request on its way: the guest's, or what a redirect made of it. */
export interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: readonly Header[];
  readonly body: Buffer | null;
}

export interface OutboundRequest extends Hop {
  /** Of the whole call: the grant's, or less where the guest said so. */
  readonly timeoutMs: number;
  /** The secret whose credential the guest wants attached; null for the first that goes there. */
  readonly auth: string | null;
}

export interface MadeHeaders {
  /** Of the run's effect: what a repeat of a request that changes something is known by. */
  readonly key?: string | undefined;
  /** A `traceparent`. */
  readonly trace?: string | undefined;
}

const KiB = 1024;
export const MAX_URL_CHARACTERS = 8 * KiB;
const MAX_HEADER_BYTES = 16 * KiB;
/** JSON writes a byte with at most 6 characters (`\u0000`). */
const JSON_CHARACTERS_PER_BYTE = 6;
/** The document itself, its keys, and more headers than fit. */
const MAX_ELEMENTS = 512;

const WHOLE = 'a whole number of at least 1 was expected.';

const METHOD = /^[A-Z][A-Z0-9-]{0,31}$/;

const text = z.string({ error: 'a text was expected.' });

const requestShape = closedObject({
  method: text.optional(),
  url: text,
  // A record of zod's would drop a header named `__proto__` without a word.
  headers: z
    .custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
      error: 'an object of texts was expected.',
    })
    .optional(),
  body: text.optional(),
  body_encoding: z.enum(['utf8', 'base64'], { error: '"utf8" or "base64" was expected.' }).optional(),
  timeout_ms: z.int({ error: WHOLE }).min(1, { error: WHOLE }).optional(),
  auth: text.optional(),
});

/**
 * Reads `request` of the interface `http` of sdk/wit.
 * @param made headers of the host's own making, each unless the request brings its own
 * @throws GtpackError `http_request_invalid`, `http_request_too_large`
 */
export function parseRequest(text: string, grant: HttpGrant, made: MadeHeaders = {}): OutboundRequest {
  const written = parseShape(text, grant.maxRequestBytes);
  const method = written.method ?? 'GET';
  if (!METHOD.test(method)) {
    throw invalid(`the method ${quoted(method)} is not a name in capitals such as "POST"`);
  }
  return {
    url: parseTarget(written.url),
    method,
    headers: withDefaults(parseHeaders(written.headers ?? {}), made, SAFE_METHODS.has(method)),
    body: parseBody(written.body, written.body_encoding ?? 'utf8', grant.maxRequestBytes),
    timeoutMs: Math.min(grant.timeoutMs, written.timeout_ms ?? grant.timeoutMs),
    auth: written.auth ?? null,
  };
}

function parseShape(text: string, maxRequestBytes: number): z.output<typeof requestShape> {
  const maxBytes = JSON_CHARACTERS_PER_BYTE * (maxRequestBytes + MAX_URL_CHARACTERS + MAX_HEADER_BYTES) + KiB;
  let json: unknown;
  try {
    json = parseBoundedJson(text, { maxBytes, maxDepth: 2, maxElements: MAX_ELEMENTS }, 'The HTTP request');
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    const code = error.code === 'json_too_large' ? 'http_request_too_large' : 'http_request_invalid';
    throw new GtpackError(code, errorMessage(error));
  }
  const parsed = requestShape.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) =>
    [...path, message].join(': ').replace(/\.$/, ''),
  );
  throw invalid(faults.join('; '));
}

function parseTarget(text: string): URL {
  if (text.length > MAX_URL_CHARACTERS) {
    throw invalid(`its URL is ${text.length} characters long; at most ${MAX_URL_CHARACTERS} are sent`);
  }
  const url = URL.parse(text);
  const fault = url === null ? 'is no absolute URL' : urlFault(url);
  if (url === null || fault !== undefined) throw invalid(`its URL ${fault ?? ''}`);
  return url;
}

/** Why a URL is not requested, whoever wrote it; undefined for one that may be. It may hold secrets, so it is not quoted. */
export function urlFault({ protocol, username, password, hostname }: URL): string | undefined {
  if (protocol !== 'https:' && protocol !== 'http:')
    return `has the scheme ${quoted(protocol)}, not http or https`;
  if (username !== '' || password !== '') return 'holds a user name or password, which belong into a header';
  if (hostname.endsWith('.')) return 'has a host that ends in a dot; it is written without';
  return undefined;
}

function parseHeaders(written: object): Header[] {
  const headers: Header[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  for (const [writtenName, value] of Object.entries(written) as [string, unknown][]) {
    const name = writtenName.toLowerCase();
    if (!isHeaderName(name)) throw invalid(`${quoted(writtenName)} is no name of a header`);
    if (isHostOwned(name)) throw invalid(`the header ${name} is the host's to write`);
    if (seen.has(name)) throw invalid(`the header ${name} comes twice, in different letters`);
    if (typeof value !== 'string' || !isHeaderValue(value)) {
      throw invalid(
        `the value of the header ${quoted(name)} is no text of visible ASCII characters with spaces between them`,
      );
    }
    seen.add(name);
    bytes += name.length + value.length + ': \r\n'.length;
    if (bytes > MAX_HEADER_BYTES) throw invalid(`its headers are longer than ${MAX_HEADER_BYTES} bytes`);
    headers.push([name, value]);
  }
  return headers;
}

const DEFAULT_HEADERS: readonly Header[] = [
  ['user-agent', 'gtpack'],
  ['accept', '*/*'],
  ['accept-encoding', 'gzip, deflate, br'],
];

/** They change nothing, so that a repeat does not matter (RFC 9110, section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const IDEMPOTENCY_KEY = 'idempotency-key';
/** A cell gives it, and nothing that a cell gives may begin another header. */
const KEY = /^[A-Za-z0-9._-]{1,128}$/;

function withDefaults(
  headers: readonly Header[],
  { key, trace }: MadeHeaders,
  changesNothing: boolean,
): Header[] {
  if (key !== undefined && !KEY.test(key)) throw invalid('its key was not made by the host');
  if (trace !== undefined && trace !== madeOf(trace))
    throw invalid('its traceparent was not made by the host');
  const defaults: Header[] = key === undefined || changesNothing ? [] : [[IDEMPOTENCY_KEY, key]];
  if (trace !== undefined) defaults.push(['traceparent', trace]);
  const missing = [...DEFAULT_HEADERS, ...defaults].filter(([wanted]) =>
    headers.every(([name]) => name !== wanted),
  );
  return [...headers, ...missing];
}

/** The header as hosts write it. Other versions of it may go on with whatever their writer likes. */
function madeOf(trace: string): string | undefined {
  const parent = readTraceparent(trace);
  return parent && traceparent(parent.traceId, parent.spanId);
}

function parseBody(text: string | undefined, encoding: 'utf8' | 'base64', maxBytes: number): Buffer | null {
  if (text === undefined) return null;
  const body = encoding === 'utf8' ? utf8(text) : base64(text);
  if (body.length <= maxBytes) return body;
  throw new GtpackError(
    'http_request_too_large',
    `The body of the HTTP request is ${body.length} bytes long; the grant allows ${maxBytes}.`,
    { cure: 'Send less, or let the operator raise max_request in the grant.' },
  );
}

function utf8(text: string): Buffer {
  if (!text.isWellFormed()) throw invalid('its body holds half a surrogate pair; send other bytes as base64');
  return Buffer.from(text, 'utf8');
}

function base64(text: string): Buffer {
  try {
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' });
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch {
    throw invalid('its body is not base64 (RFC 4648, with padding)');
  }
}

export function invalid(fault: string): GtpackError {
  return new GtpackError('http_request_invalid', `The HTTP request was refused: ${fault}.`);
}
