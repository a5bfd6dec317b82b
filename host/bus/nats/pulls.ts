import { roomWithinShare } from '../../fairness/share.ts';
import { createInbox, type Msg } from './client.ts';
import type { Connection } from './connection.ts';
import { incoming } from './incoming.ts';
import type { Layout } from './layout.ts';
import type { TenantQueue } from './tenant-queue.ts';

/** Requests for messages that are open at the server at a time, over all tenants. */
const MAX_OPEN = 128;
const MAX_BATCH = 256;
/** Of a tenant that may have little: what is asked for counts as held until it is here, or known not to come. */
const FIRST_BATCH = 16;
/** Of one answer, together. */
const MAX_BATCH_BYTES = 2 * 1024 * 1024;
const GRACE_MS = 1000;

interface Pull {
  readonly queue: TenantQueue;
  readonly token: string;
  readonly batch: number;
  received: number;
  readonly giveUpAt: number;
}

/**
 * Asks the server for the messages of tenants that have some. A tenant is asked for while its requests bring something
 * and then once more, and again when its bell rings: so idle tenants cost nothing, and active ones take turns where
 * there are more of them than requests may be open.
 */
export class Pulls {
  readonly #connection: Connection;
  readonly #layout: Layout;
  readonly #inbox: string;
  readonly #prefix: string;
  readonly #queueOf: (tenant: string) => TenantQueue | undefined;
  readonly #onGone: (queue: TenantQueue) => void;
  readonly #open = new Map<TenantQueue, Pull>();
  /** Have something to ask for, in turn. */
  readonly #rung = new Set<TenantQueue>();
  /** Have something to ask for, and no room for it. */
  readonly #wanting = new Set<TenantQueue>();
  readonly #held: { readonly total: number; readonly max: number };
  /** Asked for, and not here yet. */
  #asked = 0;
  /** So much is asked for next of a tenant: twice as much after each answer that was full. */
  readonly #appetites = new WeakMap<TenantQueue, number>();
  readonly #waitMs: number;
  #count = 0;
  #onIdle: () => void = () => undefined;
  #closed = false;

  constructor(
    connection: Connection,
    layout: Layout,
    tenants: {
      readonly queueOf: (tenant: string) => TenantQueue | undefined;
      /** The server does not know the tenant's consumer any more. */
      readonly onGone: (queue: TenantQueue) => void;
      /** A request waits so long for the first message; a tenant is idle after that. */
      readonly waitMs: number;
      /** What this host has of all tenants, between taking it and settling it, and may have. */
      readonly held: { readonly total: number; readonly max: number };
    },
  ) {
    this.#connection = connection;
    this.#layout = layout;
    this.#queueOf = tenants.queueOf;
    this.#onGone = tenants.onGone;
    this.#held = tenants.held;
    this.#waitMs = tenants.waitMs;
    this.#prefix = layout.allEvents.slice(0, -1);
    this.#inbox = createInbox(connection.inboxPrefix);
    connection.subscribe(`${this.#inbox}.*`, (message) => this.#answered(message));
  }

  get open(): number {
    return this.#open.size;
  }

  /** There may be something for the tenant. */
  ring(queue: TenantQueue): void {
    if (this.#closed || !queue.isConsumed) return;
    if (queue.room > 0) this.#rung.add(queue);
    else this.#wanting.add(queue);
    this.next();
  }

  /** The tenant may have room now. */
  ready(queue: TenantQueue): void {
    if (queue.room > 0 && this.#wanting.delete(queue)) this.#rung.add(queue);
    this.next();
  }

  /** Opens as many requests as may be open. */
  next(): void {
    if (this.#closed || !this.#connection.isReady) return;
    for (const queue of this.#rung) {
      const inAll = this.#held.total + this.#asked;
      if (this.#open.size >= MAX_OPEN || inAll >= this.#held.max) return;
      // Its answer rings again.
      if (this.#open.has(queue)) continue;
      // B2: tenants whose flows are slow leave room for others.
      const share = roomWithinShare(queue.unfinished, inAll, this.#held.max);
      // One that has its share keeps its turn: what others settle makes room for it, too.
      if (share === 0 && queue.room > 0) continue;
      this.#rung.delete(queue);
      const batch = Math.min(queue.room, this.#appetites.get(queue) ?? FIRST_BATCH, share);
      if (batch > 0) this.#pull(queue, batch);
      else this.#wanting.add(queue);
    }
  }

  /** Requests that nothing answered: lost on the way, or of a consumer that is not there any more. */
  sweep(): void {
    const now = performance.now();
    for (const pull of this.#open.values()) {
      if (pull.giveUpAt > now) continue;
      this.#done(pull, false);
      this.#onGone(pull.queue);
    }
  }

  /** The connection is gone, and with it what was asked for. */
  abandon(): void {
    for (const { queue } of this.#open.values()) this.#rung.add(queue);
    this.#open.clear();
    this.#asked = 0;
    this.#onIdle();
  }

  /**
   * Resolves when no request is open any more, which is soon. Before that nothing should be handed back: the server would
   * give it to one that is open still, and then to nobody until its wait is over.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#rung.clear();
    this.#wanting.clear();
    if (this.#open.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#waitMs + GRACE_MS);
    this.#onIdle = resolve;
    await promise;
    clearTimeout(timer);
  }

  #pull(queue: TenantQueue, batch: number): void {
    this.#asked += batch;
    const token = `${this.#layout.consumerOf(queue.tenant)}-${(this.#count++).toString(36)}`;
    this.#open.set(queue, {
      ...{ queue, token, batch, received: 0 },
      giveUpAt: performance.now() + this.#waitMs + GRACE_MS,
    });
    const maxBytes = Math.max(MAX_BATCH_BYTES, (this.#connection.nats.info?.max_payload ?? 0) * 2);
    this.#connection.send(
      `$JS.API.CONSUMER.MSG.NEXT.${this.#layout.events}.${this.#layout.consumerOf(queue.tenant)}`,
      // What is there at once, or else the first that comes.
      JSON.stringify({ batch, no_wait: true, expires: this.#waitMs * 1_000_000, max_bytes: maxBytes }),
      `${this.#inbox}.${token}`,
    );
  }

  #answered(message: Msg): void {
    const { subject } = message;
    if (subject.startsWith(this.#inbox)) {
      this.#status(subject.slice(this.#inbox.length + 1), message);
      return;
    }
    const came = incoming(message, this.#prefix);
    const queue = came === undefined ? undefined : this.#queueOf(came.tenant);
    if (came === undefined || queue === undefined) return;
    const pull = this.#open.get(queue);
    queue.receive(came);
    if (pull === undefined) return;
    pull.received += 1;
    this.#asked -= 1;
    if (pull.received >= pull.batch) this.#done(pull, true);
  }

  #status(token: string, message: Msg): void {
    const code = message.headers?.code ?? 0;
    const pull = [...this.#open.values()].find((open) => open.token === token);
    if (pull === undefined || code === 100) return;
    const isGone = code === 503 || (code === 409 && /deleted/i.test(message.headers?.description ?? ''));
    this.#done(pull, pull.received > 0);
    if (isGone) this.#onGone(pull.queue);
  }

  #done({ queue, batch, received }: Pull, hasMore: boolean): void {
    this.#open.delete(queue);
    this.#asked -= batch - received;
    this.#appetites.set(queue, received < batch ? FIRST_BATCH : Math.min(batch * 2, MAX_BATCH));
    if (this.#open.size === 0) this.#onIdle();
    if (hasMore) this.ring(queue);
    else this.next();
  }
}
