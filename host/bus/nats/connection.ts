import { GtpackError } from '../../errors.ts';
import type { EnvName } from '../../event/names.ts';
import {
  AuthorizationError,
  connect,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  PermissionViolationError,
  type Subscription,
} from './client.ts';
import { authenticatorOf, type Credentials } from './credentials.ts';
import { Requests } from './requests.ts';
import { type TlsFiles, tlsFault, tlsOf } from './tls.ts';

export interface ConnectionSettings {
  /** `host:port`, or URLs with `nats://` or `tls://`, without user. */
  readonly servers: readonly string[];
  readonly credentials: Credentials;
  /** Null where TLS is the server's to ask for. */
  readonly tls: TlsFiles | null;
  readonly env: EnvName;
  /** Tells hosts of one env apart, in the server's list of connections. */
  readonly instance: string;
  /** Copies of every stream and bucket: 1, 3 or 5. */
  readonly replicas: 1 | 3 | 5;
  /** How long an answer is waited for; default 5,000 ms. */
  readonly requestTimeoutMs?: number;
}

const RECONNECT_WAIT_MS = 250;
const CLOSE_GRACE_MS = 2000;

/**
 * A connection to NATS that comes back by itself. While it is away every use is refused at once with
 * `bus_unavailable`: the client alone would keep what is sent, and answer when the server is back.
 */
export class Connection {
  readonly env: EnvName;
  readonly replicas: 1 | 3 | 5;
  readonly nats: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  /** Under which only hosts may subscribe: answers are sent there. */
  readonly inboxPrefix: string;
  readonly #requests: Requests;
  readonly #listeners = new Set<(isReady: boolean) => void>();
  #state: 'ready' | 'away' | 'closed' = 'ready';

  private constructor(settings: ConnectionSettings, nats: NatsConnection, manager: JetStreamManager) {
    const { env, replicas, requestTimeoutMs = 5000 } = settings;
    this.env = env;
    this.replicas = replicas;
    this.nats = nats;
    this.manager = manager;
    this.jetstream = jetstream(nats, { timeout: requestTimeoutMs });
    this.inboxPrefix = inboxPrefixOf(env);
    this.#requests = new Requests(nats, this.inboxPrefix, requestTimeoutMs);
    void this.#watch();
  }

  /** @throws GtpackError `bus_unreachable`, `bus_refused` */
  static async open(settings: ConnectionSettings): Promise<Connection> {
    const authenticator = authenticatorOf(settings.credentials);
    let nats: NatsConnection;
    try {
      nats = await connect({
        servers: [...settings.servers],
        name: `gtpack ${settings.env} ${settings.instance}`,
        inboxPrefix: inboxPrefixOf(settings.env),
        ...(authenticator === undefined ? {} : { authenticator }),
        ...(settings.tls === null ? {} : { tls: tlsOf(settings.tls, settings.servers) }),
        timeout: settings.requestTimeoutMs ?? 5000,
        // For ever: the host's readiness shows that the bus is away, and a restart would not bring it back.
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_WAIT_MS,
        ignoreAuthErrorAbort: true,
        // A partition drops packets without closing anything: noticed after two of them.
        pingInterval: 5000,
        maxPingOut: 2,
        noAsyncTraces: true,
      });
    } catch (cause) {
      throw unopened(settings, cause);
    }
    try {
      const timeout = settings.requestTimeoutMs ?? 5000;
      return new Connection(settings, nats, await jetstreamManager(nats, { timeout }));
    } catch (cause) {
      await nats.close();
      throw new GtpackError('bus_refused', 'The NATS server has no JetStream for this host.', {
        cure: 'Start it with JetStream (nats-server -js), and allow the account and user of this host to use it: docs/nats.md has a configuration.',
        cause,
      });
    }
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  /** @throws GtpackError `bus_unavailable` at once while the server is away */
  checkReady(): void {
    if (this.#state === 'ready') return;
    throw new GtpackError(
      'bus_unavailable',
      this.#state === 'away' ? 'The NATS server is away.' : 'The connection to NATS is closed.',
    );
  }

  /** Hears when the connection is lost and when it is back. @returns the function that stops it */
  onChange(listener: (isReady: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** @throws GtpackError `bus_unavailable`, `bus_refused` */
  async request(subject: string, data: Uint8Array | string = '', headers?: MsgHdrs): Promise<Msg> {
    this.checkReady();
    return this.#requests.send(subject, data, headers);
  }

  /** Sends what needs no answer; lost where the server is away. */
  send(subject: string, data: Uint8Array | string = '', reply?: string): void {
    if (this.#state !== 'ready') return;
    try {
      this.nats.publish(subject, data, reply === undefined ? {} : { reply });
    } catch {
      // Closed meanwhile, as if it had been sent and lost.
    }
  }

  subscribe(subject: string, listener: (message: Msg) => void): Subscription {
    return this.nats.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) listener(message);
      },
    });
  }

  /** Waits a while, and, where the server is away, until it is back; no longer than the connection is open. */
  async pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      if (this.#state !== 'away') resolve();
    }, ms);
    const stop = this.onChange(() => resolve());
    await promise;
    clearTimeout(timer);
    stop();
  }

  /** Ends within 4 s, whatever the server does. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    // Whoever waits is told first, and refused.
    const wasReady = this.#state === 'ready';
    this.#state = 'closed';
    this.#tell(false);
    // What was sent and needs no answer, acknowledgements among it, gets out.
    if (wasReady) await withinGrace(this.nats.flush());
    this.#requests.abandon('The connection to NATS was closed.');
    await withinGrace(this.nats.close());
  }

  async #watch(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === 'error' && status.error instanceof PermissionViolationError)
        this.#requests.refused(status.error);
      if (this.#state === 'closed') continue;
      if (status.type === 'disconnect') {
        this.#state = 'away';
        this.#requests.abandon('The connection to NATS was lost.');
        this.#tell(false);
      } else if (status.type === 'reconnect') {
        this.#state = 'ready';
        this.#tell(true);
      }
    }
  }

  #tell(isReady: boolean): void {
    for (const listener of this.#listeners) listener(isReady);
  }
}

function inboxPrefixOf(env: EnvName): string {
  return `_GTPACK.${env}`;
}

function unopened({ servers, tls }: ConnectionSettings, cause: unknown): GtpackError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const where = servers.join(', ');
  const fault = tlsFault(cause, where);
  if (fault !== undefined) return fault;
  if (cause instanceof AuthorizationError || /authoriz|authentic/i.test(message))
    return new GtpackError(
      'bus_refused',
      `The NATS server at ${where} refuses the credentials: ${message}.`,
      {
        cure: 'Correct bus.credentials in the bundle, or the users in the configuration of the server.',
        cause,
      },
    );
  return new GtpackError('bus_unreachable', `No NATS server can be reached at ${where}: ${message}.`, {
    // A server that wants a certificate and is shown none, or another, closes the connection without a word.
    cure:
      tls === null
        ? 'Start it, or correct bus.servers and bus.tls in the bundle.'
        : 'Start it, or correct bus.servers and bus.tls in the bundle. Where it asks hosts for certificates, bus.tls.cert and bus.tls.key have to name one that it knows.',
    cause,
  });
}

async function withinGrace(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const grace = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_GRACE_MS);
  });
  await Promise.race([work.catch(() => undefined), grace]);
  clearTimeout(timer);
}
