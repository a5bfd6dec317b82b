import { GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { kindOf } from '../flow-problems.ts';

/** The parts of an `http` node once its templates are rendered: texts may have become anything. */
export interface HttpParts {
  readonly method?: Json;
  readonly url: Json;
  readonly headers?: Readonly<Record<string, Json>>;
  readonly query?: Readonly<Record<string, Json>>;
  readonly body?: Json;
}

export interface HttpRequestOptions {
  readonly auth: string | undefined;
  readonly timeoutMs: number;
}

export interface HttpRequestText {
  /** `request` of the interface `http` of sdk/wit. */
  readonly document: string;
  /** For messages: method, origin and path. A query may hold what nobody should read. */
  readonly target: string;
}

/** As long as what a guest may pass to the host. */
const MAX_DOCUMENT_CHARACTERS = 4 * 1024 * 1024;
const CONTENT_TYPE = 'content-type';

/**
 * The request of an `http` node as a document for the broker, which alone decides on names, values, URL and size.
 * @throws GtpackError `http_request_invalid` for what is no text where one belongs, `http_request_too_large`
 */
export function httpRequest(parts: HttpParts, options: HttpRequestOptions): HttpRequestText {
  const method = textOf('method', parts.method ?? 'GET');
  const url = withQuery(textOf('url', parts.url), parts.query ?? {});
  const headers = headersOf(parts.headers ?? {});
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  const { body } = parts;
  if (body !== undefined && typeof body !== 'string' && !names.has(CONTENT_TYPE)) {
    headers.push([CONTENT_TYPE, 'application/json']);
  }
  const document = JSON.stringify({
    method,
    url,
    headers: Object.fromEntries(headers),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    timeout_ms: options.timeoutMs,
    ...(options.auth === undefined ? {} : { auth: options.auth }),
  });
  if (document.length > MAX_DOCUMENT_CHARACTERS) {
    throw new GtpackError(
      'http_request_too_large',
      `The HTTP request is ${document.length} characters long as JSON; at most ${MAX_DOCUMENT_CHARACTERS} are sent.`,
    );
  }
  return { document, target: `${method} ${targetOf(url)}` };
}

function textOf(key: string, value: Json): string {
  if (typeof value === 'string') return value;
  throw invalid(`${key}: a text was expected; ${kindOf(value)} came`);
}

/** Values are set apart with the rules of forms, so that none becomes another parameter. */
function withQuery(text: string, query: Readonly<Record<string, Json>>): string {
  const entries = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((one: Json): [string, string][] =>
      one === null ? [] : [[name, scalarText(`query.${name}`, one)]],
    ),
  );
  if (entries.length === 0) return text;
  const url = URL.parse(text);
  if (url === null) throw invalid('url: an absolute URL was expected');
  const added = new URLSearchParams(entries).toString();
  url.search = url.search === '' ? added : `${url.search}&${added}`;
  return url.href;
}

function headersOf(headers: Readonly<Record<string, Json>>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, scalarText(`headers.${name}`, value)]],
  );
}

function scalarText(key: string, value: Json): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw invalid(`${key}: a text, a number, true or false was expected; ${kindOf(value)} came`);
}

function targetOf(text: string): string {
  const url = URL.parse(text);
  return url === null ? 'a URL' : `${url.origin}${url.pathname}`;
}

function invalid(fault: string): GtpackError {
  return new GtpackError('http_request_invalid', `The HTTP request was refused: ${fault}.`);
}
