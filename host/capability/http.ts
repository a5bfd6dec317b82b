import { randomBytes } from 'node:crypto';
import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { Capability, CapabilityAnswer, CapabilityCall } from './capability.ts';
import { type AttachmentOptions, attach } from './http/attachment.ts';
import { responseJson, Unpacker } from './http/body.ts';
import { Breaker, type BreakerChange, type BreakerLimits, DEFAULT_BREAKER_LIMITS } from './http/breaker.ts';
import { HttpClient } from './http/client.ts';
import { Connector } from './http/connector.ts';
import { Deadlines } from './http/deadline.ts';
import { createLoad, DEFAULT_HTTP_LIMITS, type HttpLimits, type Load } from './http/load.ts';
import { Lookups, type Resolve, systemResolve } from './http/lookups.ts';
import { nothingGranted, permitHop } from './http/permit.ts';
import { redirectOf } from './http/redirect.ts';
import { type OutboundRequest, parseRequest } from './http/request.ts';
import type { HttpResponse } from './http/response.ts';
import type { Scope } from './http/scope.ts';

export interface HttpCapabilityOptions {
  /** Default: the system's resolver, /etc/hosts included. */
  readonly resolve?: Resolve;
  /** Certificates of authorities (PEM) in place of the system's. */
  readonly ca?: string;
  readonly limits?: Partial<HttpLimits>;
  /** What a grant's credentials and signatures are made of. Default: no tenant has any secret. */
  readonly secretOf?: AttachmentOptions['secretOf'];
  /** Milliseconds since the Unix epoch. Default: the system's clock. */
  readonly now?: () => number;
  /** When an origin that keeps failing is left alone. */
  readonly breaker?: Partial<BreakerLimits>;
  /** Hears of an origin that is left alone, and of one that has come back. */
  readonly onBreaker?: (change: BreakerChange) => void;
  /** Milliseconds, of a clock that only goes forward. Default: the system's. */
  readonly monotonicMs?: () => number;
  /** Answers a hop in place of the network, once it is permitted. */
  readonly stub?: (scope: Scope) => HttpResponse;
}

/**
 * `http.send`: outbound HTTP within a grant.
 *
 * - `http/request.ts` reads what the guest asks for, `http/header.ts` knows which headers are whose
 * - `http/permit.ts` holds a hop against the grant, and an address
 * - `http/attachment.ts` adds the credentials and the signature that the grant says
 * - `http/client.ts` sends one hop, over connections that `http/connector.ts` opens with `http/lookups.ts`
 * - `http/response.ts` collects the response, `http/body.ts` unpacks it, `http/redirect.ts` follows it
 * - `http/breaker.ts` leaves an origin alone that keeps failing
 * - `http/load.ts` bounds what all of it holds at once, `http/deadline.ts` how long it takes
 *
 * H1. Scheme, host, port and method of every hop are granted, that of a redirect like that of the guest.
 * H2. A connection goes to an address that was checked, with all the others of its name, after the only lookup.
 * H3. A connection serves the tenant, provider and grant it was opened for, and no other.
 * H4. No body is longer than the grant says, packed or unpacked, before anything of it is kept.
 * H5. A call ends at its deadline, whatever it waits for.
 * H6. What a hop carries of its sender, the host's credentials included, stays behind when a redirect leaves the origin.
 * H7. A credential goes where its grant says, to the guest's own request only, and to no guest. In plain HTTP it goes to
 *     addresses that are not public.
 */
export class HttpCapability implements Capability {
  readonly name = 'http';
  readonly #load: Load;
  readonly #attachment: AttachmentOptions;
  readonly #client: HttpClient;
  readonly #exchange: HttpClient['exchange'];
  readonly #breaker: Breaker;
  readonly #unpacker = new Unpacker();
  readonly #deadlines = new Deadlines();

  constructor({
    resolve = systemResolve,
    ca,
    limits,
    secretOf = noSecret,
    now = Date.now,
    breaker,
    onBreaker = () => undefined,
    monotonicMs = () => performance.now(),
    stub,
  }: HttpCapabilityOptions = {}) {
    this.#attachment = { secretOf, now, randomId: () => randomBytes(24).toString('base64url') };
    this.#load = createLoad({ ...DEFAULT_HTTP_LIMITS, ...limits });
    const lookups = new Lookups(resolve);
    const { connections } = this.#load;
    this.#client = new HttpClient(new Connector({ lookups, connections, ca: ca ?? null }));
    this.#breaker = new Breaker({ ...DEFAULT_BREAKER_LIMITS, ...breaker }, monotonicMs, onBreaker);
    this.#exchange =
      stub === undefined
        ? (...hop) => this.#client.exchange(...hop)
        : (scope) => Promise.resolve(stub(scope));
  }

  async perform({
    tenant,
    source,
    grants,
    fn,
    args,
    key,
    trace,
    signal,
    reaches,
  }: CapabilityCall): Promise<CapabilityAnswer> {
    const [text] = args;
    if (fn !== 'send' || text === undefined) {
      throw new GtpackError(
        'http_request_invalid',
        `The function http.send was expected; ${quoted(fn)} came.`,
      );
    }
    if (grants.http === null) throw nothingGranted(source);
    const scope: Scope = { tenant, source, grant: grants.http, capability: 'http' };
    const request = parseRequest(text, scope.grant, { key, trace });
    // The path alone: a query may hold a secret of the guest's.
    reaches(`${request.method} ${request.url.origin}${request.url.pathname}`);
    const response = await this.send(scope, request, signal);
    return { kind: 'ok', json: responseJson(response) };
  }

  /**
   * Sends a request and what it is redirected to, and unpacks the answer: for `http.send`, and for capabilities whose request
   * is the host's own and whose grant is one of their vendor's.
   * @throws GtpackError `capability_denied`, `http_…`
   */
  async send(scope: Scope, request: OutboundRequest, signal: AbortSignal): Promise<HttpResponse> {
    return this.#counted(scope, (hold) => {
      hold(request.body?.length ?? 0);
      return this.#deadlines.run(request.timeoutMs, signal, (deadline) =>
        this.#send(scope, request, hold, deadline),
      );
    });
  }

  async close(): Promise<void> {
    this.#deadlines.stop();
    await this.#client.close();
  }

  /** Origins that are left alone at present, of all tenants. */
  get openBreakers(): number {
    return this.#breaker.open;
  }

  /** Connections that are open or being opened, of all tenants. */
  get openConnections(): number {
    return this.#load.connections.inAll;
  }

  async #counted<T>({ tenant }: Scope, work: (hold: (bytes: number) => void) => Promise<T>): Promise<T> {
    const { calls, heldBytes } = this.#load;
    calls.add(tenant, 1);
    let held = 0;
    try {
      return await work((bytes) => {
        heldBytes.add(tenant, bytes);
        held += bytes;
      });
    } finally {
      heldBytes.remove(tenant, held);
      calls.remove(tenant, 1);
    }
  }

  async #send(
    scope: Scope,
    first: OutboundRequest,
    hold: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const { redirects, maxResponseBytes } = scope.grant;
    permitHop(scope, first, null);
    let hop = attach(scope, first, first.auth, this.#attachment);
    for (let followed = 0; ; followed += 1) {
      const response = await this.#breaker.pass(
        { tenant: scope.tenant, origin: hop.url.origin, timeoutMs: first.timeoutMs },
        () => this.#exchange(scope, hop, { hold, signal }),
      );
      const next = redirects === 0 ? undefined : redirectOf(hop, response);
      const { origin } = hop.url;
      if (next === undefined) {
        return this.#unpacker.unpack(response, { origin, maxBodyBytes: maxResponseBytes, hold, signal });
      }
      if (followed === redirects) throw tooManyRedirects(first.url.origin, redirects);
      permitHop(scope, next, origin);
      hop = next;
    }
  }
}

function noSecret(_tenant: string, name: string): never {
  throw new TypeError(`no secret ${name}`);
}

function tooManyRedirects(origin: string, redirects: number): GtpackError {
  return new GtpackError(
    'http_redirects_too_many',
    `${origin} redirected the request more than ${redirects} times, which is the most that the grant allows.`,
    { cure: 'Ask for the final URL, or let the operator raise redirects in the grant.' },
  );
}
