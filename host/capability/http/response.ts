import { Buffer } from 'node:buffer';
import { GtpackError } from '../../errors.ts';
import { networkFault } from './fault.ts';
import { type Header, valuesOf } from './header.ts';

export interface HttpResponse {
  readonly status: number;
  /** As they came, hop-by-hop ones included; values as Latin-1. */
  readonly headers: readonly Header[];
  /** As it came: perhaps packed. */
  readonly body: Buffer;
}

/** What the client's library knows of a response. */
export interface ResponseController {
  readonly rawHeaders?: unknown;
}

export interface ResponseReaderOptions {
  readonly origin: string;
  readonly method: string;
  readonly maxBodyBytes: number;
  /** Called with the size of each piece before it is kept; throws when it is one too many. */
  readonly hold: (bytes: number) => void;
  /** Its reason is what the response fails with. */
  readonly signal: AbortSignal;
}

/** 100 and 103 come once or twice; a server may not keep a call busy with them. */
const MAX_INTERIM_RESPONSES = 16;

/**
 * Collects one response, in the form of a handler as undici's dispatchers call it. It fails the moment that a limit is
 * passed or the signal aborts, while the connection is still being dialled, too; whoever sent the request then breaks the
 * connection.
 */
export class ResponseReader {
  readonly response: Promise<HttpResponse>;
  readonly #options: ResponseReaderOptions;
  readonly #body = new ByteSink();
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #onAbort = () => this.#fail(this.#options.signal.reason);
  #failure: Error | null = null;
  #begun = false;
  #interim = 0;
  #status = 0;
  #headers: readonly Header[] = [];

  constructor(options: ResponseReaderOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    this.response = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#options = options;
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal.aborted) this.#onAbort();
  }

  /** Of the library: the connection stands, and the request goes out. */
  onRequestStart(): void {
    this.#begun = true;
  }

  onResponseStart(controller: ResponseController, status: number): void {
    if (status < 200) {
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM_RESPONSES) this.#fail(tooManyInterim(this.#options.origin));
      return;
    }
    this.#status = status;
    this.#headers = parseHeaders(controller.rawHeaders);
    const announced = Number(valuesOf(this.#headers, 'content-length')[0] ?? 0);
    if (this.#options.method !== 'HEAD' && announced > this.#options.maxBodyBytes)
      this.#fail(this.#tooLarge());
  }

  onResponseData(_controller: ResponseController, chunk: Buffer): void {
    if (this.#failure !== null) return;
    try {
      if (this.#body.length + chunk.length > this.#options.maxBodyBytes) throw this.#tooLarge();
      this.#options.hold(chunk.length);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#body.append(chunk);
  }

  onResponseEnd(): void {
    this.#settle();
    this.#resolve({ status: this.#status, headers: this.#headers, body: this.#body.take() });
  }

  onResponseError(_controller: ResponseController, error: Error): void {
    this.#fail(networkFault(error, this.#options.origin, this.#begun));
  }

  #fail(reason: unknown): void {
    if (this.#failure !== null) return;
    this.#failure =
      reason instanceof Error ? reason : networkFault(reason, this.#options.origin, this.#begun);
    this.#settle();
    this.#reject(this.#failure);
  }

  #settle(): void {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }

  #tooLarge(): GtpackError {
    return responseTooLarge(this.#options.origin, this.#options.maxBodyBytes);
  }
}

export function responseTooLarge(origin: string, maxBytes: number): GtpackError {
  return new GtpackError(
    'http_response_too_large',
    `The body of the response of ${origin} is longer than the ${maxBytes} bytes that the grant allows.`,
    { cure: 'Ask for less, or let the operator raise max_response in the grant.' },
  );
}

function tooManyInterim(origin: string): GtpackError {
  return new GtpackError('http_response_invalid', `${origin} sends interim responses without end.`);
}

/** Names and values in turn, as bytes. */
function parseHeaders(raw: unknown): Header[] {
  const parts = Array.isArray(raw)
    ? raw.map((part: unknown) => (part instanceof Buffer ? part : Buffer.alloc(0)))
    : [];
  const headers: Header[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    headers.push([
      (parts[at] ?? '').toString('latin1').toLowerCase(),
      (parts[at + 1] ?? '').toString('latin1'),
    ]);
  }
  return headers;
}

/** One buffer that grows: a body that comes in pieces of a byte would else cost a hundred times its size. */
export class ByteSink {
  #buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(chunk: Buffer): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2, 1024));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length = needed;
  }

  take(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
