import { send } from 'gtpack:plugin/http@0.1.0';
import { ask, member, toJson, wrongAnswer } from './answer.ts';
import { ProviderProblem } from './problem.ts';
import type { Json } from './types.ts';
import { encodeUtf8 } from './utf8.ts';

interface HttpRequestParts {
  /** In capitals. Default `GET`. */
  readonly method?: Uppercase<string>;
  /** Absolute, http or https. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds, at least 1, until the call gives up. Shortens the grant's time, never lengthens it. */
  readonly timeout_ms?: number;
  /** Name of a secret in the grant's `auth` to send along. Left out: the first that goes to the URL's host. */
  readonly auth?: string;
}

/** A request to be sent, with one kind of body or none. */
export type HttpRequest = HttpRequestParts &
  (
    | {
        /** Text, sent as UTF-8, or any bytes. */
        readonly body?: string | Uint8Array;
        readonly json?: never;
      }
    | {
        /** Sent as JSON; `content-type` is `application/json` unless there is such a header. */
        readonly json: Json;
        readonly body?: never;
      }
  );

/** What a server answered, whatever the status. */
export class HttpResponse {
  /** As the server sent it, such as 200 or 404. */
  readonly status: number;
  /** Names in lower case; repeated ones are joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Text, or base64 where the bytes are not UTF-8. */
  readonly body: string;
  readonly body_encoding: 'utf8' | 'base64';

  constructor(parts: Pick<HttpResponse, 'status' | 'headers' | 'body' | 'body_encoding'>) {
    this.status = parts.status;
    this.headers = parts.headers;
    this.body = parts.body;
    this.body_encoding = parts.body_encoding;
  }

  /** Whether the status is one of success, 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status <= 299;
  }

  /** A header by its name in any letters; null where there is none. */
  header(name: string): string | null {
    const lower = name.toLowerCase();
    return Object.hasOwn(this.headers, lower) ? (this.headers[lower] ?? null) : null;
  }

  /** The body's bytes. */
  bytes(): Uint8Array {
    return this.body_encoding === 'base64' ? Uint8Array.fromBase64(this.body) : encodeUtf8(this.body);
  }

  /**
   * The body as JSON. The type is the author's claim: nothing checks it.
   * @throws ProviderProblem `http_response_not_json`, which is worth a later attempt after a 5xx only
   */
  json<T = Json>(): T {
    try {
      if (this.body_encoding === 'utf8') return JSON.parse(this.body);
    } catch {
      // Told below.
    }
    throw new ProviderProblem('http_response_not_json', 'The body of the HTTP response is not JSON.', {
      retryable: this.status >= 500,
    });
  }
}

/** Outbound HTTP to granted hosts. */
export const http = {
  /**
   * Sends a request and waits. Returns what the server answered, whatever the status.
   * @throws ProviderProblem `capability_denied`, and the host's own of the network and of size and time
   */
  send(request: HttpRequest): HttpResponse {
    const text = requestText(request);
    return readResponse(ask(() => send(text)));
  },
};

function requestText({ method, url, headers, body, json, timeout_ms, auth }: HttpRequest): string {
  const isBytes = typeof body === 'object';
  return JSON.stringify({
    method: method ?? 'GET',
    url,
    headers: json === undefined ? headers : withType(headers ?? {}),
    body: json === undefined ? (isBytes ? body.toBase64() : body) : toJson(json, 'The HTTP request’s json'),
    body_encoding: isBytes ? 'base64' : undefined,
    timeout_ms,
    auth,
  });
}

function withType(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const isTyped = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  return isTyped ? headers : { ...headers, 'content-type': 'application/json' };
}

function readResponse(answer: Json): HttpResponse {
  const status = member(answer, 'status');
  const headers = member(answer, 'headers');
  const body = member(answer, 'body');
  const encoding = member(answer, 'body_encoding');
  if (
    typeof status !== 'number' ||
    status < 100 ||
    status > 999 ||
    typeof headers !== 'object' ||
    headers === null ||
    Array.isArray(headers) ||
    typeof body !== 'string'
  ) {
    throw wrongAnswer('http.send');
  }
  return new HttpResponse({
    status,
    headers: headers as Readonly<Record<string, string>>,
    body,
    body_encoding: encoding === 'base64' ? 'base64' : 'utf8',
  });
}
