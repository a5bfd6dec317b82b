import { GtpackError } from '../../errors.ts';
import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type PermissionViolationError,
} from './client.ts';

/**
 * Requests that are answered through one inbox: thousands may be under way, for one subscription, one timer and an
 * entry of a map each. The client's own costs a timer and two promises more.
 *
 * A request that is not answered in time, or whose connection was lost, is rejected with `bus_unavailable`: whether the
 * server did what it asked for is not known then.
 */
export class Requests {
  readonly #connection: NatsConnection;
  readonly #timeoutMs: number;
  readonly #inbox: string;
  /** By the last token of their reply subject, the oldest first: all have the same time. */
  readonly #pending = new Map<string, PendingRequest>();
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(connection: NatsConnection, inboxPrefix: string, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#inbox = createInbox(inboxPrefix);
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#answered(message);
      },
    });
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** @throws GtpackError `bus_unavailable`, `bus_refused` */
  send(subject: string, data: Uint8Array | string, headers?: MsgHdrs): Promise<Msg> {
    const token = (this.#count++).toString(36);
    return new Promise((resolve, reject) => {
      this.#pending.set(token, { subject, resolve, reject, deadline: performance.now() + this.#timeoutMs });
      this.#timer ??= setTimeout(() => this.#expire(), this.#timeoutMs);
      const reply = `${this.#inbox}.${token}`;
      try {
        this.#connection.publish(subject, data, headers === undefined ? { reply } : { reply, headers });
      } catch (cause) {
        this.#pending.delete(token);
        reject(unsent(subject, cause));
      }
    });
  }

  /** The server refused a subject: it says so beside the answers, and never answers. */
  refused(error: PermissionViolationError): void {
    if (error.operation !== 'publish') return;
    for (const [token, { subject, reject }] of this.#pending) {
      if (subject !== error.subject) continue;
      this.#pending.delete(token);
      reject(forbidden(`publish on ${subject}`));
    }
  }

  /** Nothing that is under way will be answered any more. */
  abandon(reason: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of lost) reject(new GtpackError('bus_unavailable', reason));
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    this.#pending.delete(token);
    if (this.#pending.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    if (message.data.length === 0 && message.headers?.code === 503)
      pending.reject(
        new GtpackError(
          'bus_unavailable',
          `No NATS server answers for ${pending.subject}: JetStream is off, has no leader at present, or has no such stream.`,
        ),
      );
    else pending.resolve(message);
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [token, { subject, reject, deadline }] of this.#pending) {
      if (deadline > now) {
        this.#timer = setTimeout(() => this.#expire(), deadline - now);
        return;
      }
      this.#pending.delete(token);
      reject(
        new GtpackError(
          'bus_unavailable',
          `The NATS server did not answer ${subject} within ${this.#timeoutMs} ms.`,
        ),
      );
    }
  }
}

interface PendingRequest {
  readonly subject: string;
  readonly resolve: (message: Msg) => void;
  readonly reject: (error: GtpackError) => void;
  /** Of the monotonic clock. */
  readonly deadline: number;
}

export function forbidden(what: string): GtpackError {
  return new GtpackError('bus_refused', `The NATS server does not let this host ${what}.`, {
    cure: 'Give its user the permissions in docs/nats.md.',
  });
}

function unsent(subject: string, cause: unknown): GtpackError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!message.includes('max_payload'))
    return new GtpackError('bus_unavailable', `The connection to NATS is closed.`, { cause });
  return new GtpackError('bus_refused', `A message on ${subject} is larger than the NATS server takes.`, {
    cure: 'Raise max_payload in its configuration: docs/nats.md has what a host needs.',
    cause,
  });
}
