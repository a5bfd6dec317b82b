import { Client } from 'undici';
import { GtpackError } from '../../errors.ts';
import type { HttpGrant } from '../../grant/http-grant.ts';
import type { Connector } from './connector.ts';
import { MAX_RESPONSE_HEADER_BYTES, networkFault } from './fault.ts';
import type { Hop } from './request.ts';
import { type HttpResponse, ResponseReader } from './response.ts';
import type { Scope } from './scope.ts';

const IDLE_MS = 4000;
/** At most, where a server promises to keep a connection longer. */
const MAX_IDLE_MS = 30_000;

export interface ExchangeOptions {
  readonly hold: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Sends one request over HTTP/1.1 and gets its response, redirects unfollowed. Connections are kept open and used again,
 * but by their own scope and origin only: what was dialled under one tenant's grant is never another's.
 *
 * A line carries one exchange at a time and is thrown away with one that failed. The library's own pools are not used:
 * after a request was aborted they dial again, for nobody.
 */
export class HttpClient {
  readonly #connector: Connector;
  readonly #grantIds = new WeakMap<HttpGrant, number>();
  #lastGrantId = 0;
  readonly #lines = new Set<Line>();
  readonly #idle = new Map<string, Line[]>();
  readonly #ending = new Set<Promise<void>>();

  constructor(connector: Connector) {
    this.#connector = connector;
  }

  /** @throws GtpackError as `Connector.open` and `ResponseReader`; the signal's reason */
  async exchange(scope: Scope, hop: Hop, { hold, signal }: ExchangeOptions): Promise<HttpResponse> {
    signal.throwIfAborted();
    const { url, method, headers, body } = hop;
    const { origin } = url;
    const maxBodyBytes = scope.grant.maxResponseBytes;
    const reader = new ResponseReader({ origin, method, maxBodyBytes, hold, signal });
    const line = this.#take(scope, origin);
    const path = `${url.pathname}${url.search}`;
    line.client.dispatch({ path, method, headers: headers.flat(), body }, reader);
    try {
      const response = await reader.response;
      this.#putBack(line);
      return response;
    } catch (error) {
      this.#drop(line);
      throw error;
    }
  }

  /** Breaks every connection. */
  async close(): Promise<void> {
    for (const line of this.#lines) this.#drop(line);
    await Promise.all(this.#ending);
  }

  #take(scope: Scope, origin: string): Line {
    const key = `${scope.tenant} ${this.#grantIdOf(scope.grant)} ${scope.source} ${origin}`;
    const idle = this.#idle.get(key);
    const line = idle?.pop();
    if (idle?.length === 0) this.#idle.delete(key);
    return line ?? this.#createLine(key, scope, origin);
  }

  #putBack(line: Line): void {
    if (!this.#lines.has(line)) return;
    const idle = this.#idle.get(line.key);
    if (idle === undefined) this.#idle.set(line.key, [line]);
    else idle.push(line);
  }

  #drop(line: Line): void {
    this.#lines.delete(line);
    this.#forget(line);
    const reason = new GtpackError('http_unreachable', 'The connection was given up.');
    line.dropped.abort(reason);
    const ended = line.client.destroy(reason).finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #forget(line: Line): void {
    const idle = this.#idle.get(line.key) ?? [];
    const at = idle.indexOf(line);
    if (at !== -1) idle.splice(at, 1);
    if (idle.length === 0) this.#idle.delete(line.key);
  }

  #grantIdOf(grant: HttpGrant): number {
    const known = this.#grantIds.get(grant);
    if (known !== undefined) return known;
    this.#lastGrantId += 1;
    this.#grantIds.set(grant, this.#lastGrantId);
    return this.#lastGrantId;
  }

  #createLine(key: string, scope: Scope, origin: string): Line {
    const dropped = new AbortController();
    const client = new Client(origin, {
      connect: (target, callback) => {
        this.#connector.open(scope, target, dropped.signal).then(
          (socket) => callback(null, socket),
          (error: unknown) => callback(networkFault(error, origin), null),
        );
      },
      allowH2: false,
      pipelining: 1,
      maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: MAX_IDLE_MS,
      // The call's own deadline bounds all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const line: Line = { key, client, dropped };
    // One that carries a request goes on: the library dials again for what it had not sent, and fails what it had.
    client.on('disconnect', () => {
      if (this.#idle.get(key)?.includes(line) === true) this.#drop(line);
    });
    this.#lines.add(line);
    return line;
  }
}

/** One connection and its successors, to one origin. */
interface Line {
  readonly key: string;
  readonly client: Client;
  /** Aborted with the line, so that what is still being dialled for it stops. */
  readonly dropped: AbortController;
}
