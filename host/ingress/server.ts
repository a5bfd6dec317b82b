import type { IncomingMessage } from 'node:http';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { errorMessage, GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { HttpAnswer } from '../sandbox/protocol.ts';
import { BodyBudget, bodyTooLarge, readBody } from './body.ts';
import type { IngressDelivery, IngressFault } from './delivery.ts';
import type { IngressDirectory } from './directory.ts';
import { type Exchange, exchange } from './exchange.ts';
import { InFlight } from './in-flight.ts';
import { listen, refuseConnection, urlOf } from './listening.ts';
import { type Refusal, refusalOf, refusalOfError, refusalOfFramework } from './refusal.ts';
import { type ReceivedRequest, toIngestRequest } from './request.ts';
import {
  type Destination,
  type LongPath,
  longDestination,
  type ShortPath,
  shortDestination,
} from './route.ts';
import { Admission } from './signature/admission.ts';
import { answersOnly } from './signature/handshake.ts';
import { Waiters } from './waiters.ts';

export interface IngressOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Of one request, whatever the tenant. */
  readonly maxBodyBytes: number;
  /** How long a request waits for a flow's `http_response`. */
  readonly responseTimeoutMs: number;
  readonly directory: IngressDirectory;
  readonly delivery: IngressDelivery;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Hears of what the operator should see. Must not throw. */
  readonly onFault: (fault: IngressFault) => void;
  /** Hears why a signature was refused, a few times in ten seconds. Must not throw. */
  readonly onRefused: (fault: IngressFault) => void;
  /** Bodies held over all connections. Default 256 MiB. */
  readonly maxHeldBodyBytes?: number;
  /** More connections than this are closed as they come. Default 20,000. */
  readonly maxConnections?: number;
  /** For the headers of a request to arrive; the body may take three times as long. Default 10 s. */
  readonly headersTimeoutMs?: number;
}

export interface IngressServer {
  /** Where a sender on this machine reaches it, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** A flow answers the request that waits for this event. @returns whether one waited */
  respond(tenant: TenantId, eventId: string, answer: HttpAnswer): boolean;
  /** Every run of the event is over: a request that still waits for an answer to it gets its 202. */
  eventDone(tenant: TenantId, eventId: string): void;
  /** Takes no new requests, lets those under way finish within the grace, then cuts their connections and frees the port. */
  close(graceMs: number): Promise<void>;
}

const SHORT_PATH = '/events/webhook/:tenant/:eventType';
const LONG_PATH = '/v1/events/ingress/:provider/:tenant/:handler';
const LONG_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const KNOWN_PATHS: readonly { readonly path: RegExp; readonly allow: string }[] = [
  { path: /^\/events\/webhook\/[^/?]*\/[^/?]*(?:\?|$)/, allow: 'POST' },
  { path: /^\/v1\/events\/ingress\/[^/?]*\/[^/?]*\/[^/?]*(?:\?|$)/, allow: LONG_METHODS.join(', ') },
];

/** In full: Fastify completes a type without a charset, request by request. */
const JSON_TYPE = 'application/json; charset=utf-8';
const MAX_HEADER_BYTES = 16 * 1024;
/** Longer than the 60 s after which common load balancers drop an idle connection: they, not we, should close it. */
const KEEP_ALIVE_MS = 65_000;
const MAX_REQUESTS_PER_SOCKET = 100_000;

/**
 * Opens the HTTP server.
 * @throws GtpackError `listen_failed`
 */
export async function openIngress(options: IngressOptions): Promise<IngressServer> {
  const { directory, delivery, now, onFault, maxBodyBytes, responseTimeoutMs } = options;
  const headersTimeoutMs = options.headersTimeoutMs ?? 10_000;
  const requestTimeoutMs = 3 * headersTimeoutMs;
  const budget = new BodyBudget(options.maxHeldBodyBytes ?? 256 * 1024 * 1024);
  const inFlight = new InFlight();
  const waiters = new Waiters();
  const admission = new Admission(options);
  let stopping = false;
  /** Requests whose answer is not out yet. */
  let unanswered = 0;

  const app = Fastify({
    logger: false,
    bodyLimit: maxBodyBytes,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.max(10, Math.floor(headersTimeoutMs / 4)),
      // Ours to refuse: Node's own answer has no body.
      requireHostHeader: false,
    },
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // A sender that reads its answer slower than this is cut; a request that waits for a flow is not.
    connectionTimeout: requestTimeoutMs + responseTimeoutMs + KEEP_ALIVE_MS,
    maxRequestsPerSocket: MAX_REQUESTS_PER_SOCKET,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    frameworkErrors: (error, _request, reply) => {
      refuse(reply, refusalOfFramework(error));
    },
    clientErrorHandler: refuseConnection,
  });
  app.server.maxConnections = options.maxConnections ?? 20_000;
  app.server.on('checkExpectation', (_request, response) => {
    const { status, body } = refusalOf('request_invalid', 'The only expectation known here is 100-continue.');
    const length = Buffer.byteLength(body);
    response
      .writeHead(status, { 'content-type': JSON_TYPE, 'content-length': length, connection: 'close' })
      .end(body);
  });

  /** Names that are no tenant's share one share. */
  const budgetOf = ({ params }: FastifyRequest): string =>
    directory.tenant((params as Partial<ShortPath>).tenant ?? '')?.id ?? '';
  // I2: bytes in, bytes out, whatever the content type says.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage, done: BodyDone) => {
    readBody(payload, { maxBodyBytes, budget, tenant: budgetOf(request) }, done);
  });

  /** Connections that wait for nothing would hold up the end: kept alive, or opened before there is anything to ask. */
  const leaveWhenAnswered = (): void => {
    // After what had been read already.
    if (stopping && unanswered === 0)
      setImmediate(() => unanswered === 0 && app.server.closeAllConnections());
  };
  app.addHook('onRequest', (request, reply, done) => {
    unanswered += 1;
    reply.raw.once('close', () => {
      unanswered -= 1;
      leaveWhenAnswered();
    });
    if (stopping) {
      // The connection goes as well, so that the sender's next attempt reaches a host that stays.
      reply.header('connection', 'close');
      refuse(reply, refusalOf('host_stopping', 'The host is stopping. Send this again later.'));
    } else if (request.raw.headers.host === undefined && request.raw.httpVersion === '1.1') {
      refuse(reply, refusalOf('request_invalid', 'The header host is missing.'));
    } else if (request.is404) {
      refuseUnrouted(request, reply);
    } else {
      done();
    }
  });
  app.setNotFoundHandler((request, reply) => {
    refuseUnrouted(request, reply);
  });
  app.setErrorHandler((error: Error & { code?: string; statusCode?: number }, _request, reply) => {
    const refusal = error instanceof GtpackError ? refusalOfError(error) : refusalOfFramework(error);
    if (refusal.status >= 500) report(null, null, error);
    refuse(reply, refusal);
  });

  const report = (tenant: TenantId | null, provider: string | null, cause: unknown): void => {
    onFault({ tenant, provider, message: errorMessage(cause), cause });
  };

  const exchangeOptions = { delivery, waiters, responseTimeoutMs };
  const handshakeOptions = { ...exchangeOptions, delivery: answersOnly(delivery) };
  const serve = async (
    request: FastifyRequest,
    reply: FastifyReply,
    find: () => Destination,
  ): Promise<void> => {
    const body = request.body instanceof Buffer ? request.body : undefined;
    let entered: Destination | undefined;
    try {
      const destination = find();
      const { tenant, provider } = destination;
      if (body !== undefined && body.length > tenant.maxBodyBytes) throw bodyTooLarge(tenant.maxBodyBytes);
      const received = receivedOf(request, body);
      const receivedAt = now();
      // I6
      const { verified, isHandshake } = admission.admit(destination, received, receivedAt);
      inFlight.enter(tenant);
      entered = destination;
      delivery.admit(tenant.id);
      const ingest = toIngestRequest(received, destination, verified, receivedAt);
      const options = isHandshake ? handshakeOptions : exchangeOptions;
      const outcome = await exchange(options, tenant, provider, ingest, (gone) => {
        reply.raw.once('close', gone);
      });
      send(reply, outcome);
    } catch (error) {
      const refusal = refusalOfError(error);
      if (refusal.status >= 500) report(entered?.tenant.id ?? null, entered?.provider ?? null, error);
      refuse(reply, refusal);
    } finally {
      // I5
      if (entered !== undefined) inFlight.leave(entered.tenant);
      if (body !== undefined) budget.giveBack(budgetOf(request), body.length);
    }
  };
  app.post<{ Params: ShortPath }>(SHORT_PATH, (request, reply) =>
    serve(request, reply, () => shortDestination(directory, request.params)),
  );
  app.route<{ Params: LongPath }>({
    method: [...LONG_METHODS],
    url: LONG_PATH,
    handler: (request, reply) => serve(request, reply, () => longDestination(directory, request.params)),
  });

  const port = await listen(app, options.host, options.port);
  return {
    url: urlOf(options.host, port),
    port,
    respond: (tenant, eventId, answer) => waiters.respond(tenant, eventId, answer),
    eventDone: (tenant, eventId) => waiters.eventDone(tenant, eventId),
    close: async (graceMs) => {
      stopping = true;
      // Their events are durable; a flow that answers only after the restart answers nobody.
      waiters.releaseAll();
      const cut = setTimeout(() => app.server.closeAllConnections(), graceMs);
      try {
        const closed = app.close();
        leaveWhenAnswered();
        await closed;
      } finally {
        clearTimeout(cut);
      }
    },
  };
}

function receivedOf({ method, raw, query }: FastifyRequest, body: Buffer | undefined): ReceivedRequest {
  return {
    method,
    url: raw.url ?? '/',
    headers: raw.headers,
    query: query as Readonly<Record<string, string | readonly string[]>>,
    body,
  };
}

type BodyDone = (error: Error | null, body?: Buffer) => void;

function send(reply: FastifyReply, outcome: Exchange): void {
  switch (outcome.kind) {
    case 'accepted':
      if (outcome.eventIds !== '') reply.header('gtpack-event-id', outcome.eventIds);
      reply.code(202).header('content-type', JSON_TYPE).send(outcome.body);
      return;
    case 'answered': {
      reply.code(outcome.status);
      let typed = false;
      for (const [name, value] of outcome.headers) {
        reply.header(name, value);
        typed ||= name === 'content-type';
      }
      if (!typed && outcome.body !== '') reply.header('content-type', 'text/plain; charset=utf-8');
      // Tenants share this address: what one of them answers must not be taken for a page of the host.
      reply.header('x-content-type-options', 'nosniff');
      if (outcome.eventIds !== '') reply.header('gtpack-event-id', outcome.eventIds);
      reply.send(outcome.body);
      return;
    }
    case 'refused':
      refuse(reply, outcome.refusal);
  }
}

/** I3 */
function refuse(reply: FastifyReply, { status, body, retryAfter }: Refusal): void {
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  reply.code(status).header('content-type', JSON_TYPE).send(body);
}

function refuseUnrouted(request: FastifyRequest, reply: FastifyReply): void {
  const url = request.raw.url ?? '';
  const known = KNOWN_PATHS.find(({ path }) => path.test(url));
  if (known !== undefined && !known.allow.split(', ').includes(request.method)) {
    reply.header('allow', known.allow);
    refuse(
      reply,
      refusalOf('method_not_allowed', `The method ${request.method} is not taken here; use ${known.allow}.`),
    );
    return;
  }
  refuse(
    reply,
    refusalOf(
      'route_unknown',
      'Nothing is served at this path. Webhooks go to POST /events/webhook/{tenant}/{event_type}, or to /v1/events/ingress/{provider}/{tenant}/{handler}.',
    ),
  );
}
