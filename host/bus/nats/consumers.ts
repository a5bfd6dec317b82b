import { errorMessage, GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import type { ConsumeOptions, Consumer } from '../bus.ts';
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiError,
  ReplayPolicy,
} from './client.ts';
import type { Connection } from './connection.ts';
import type { Waiting } from './counts.ts';
import type { Layout } from './layout.ts';
import { Pulls } from './pulls.ts';
import { TenantQueue, type TenantQueueParts } from './tenant-queue.ts';

export interface ConsumersOptions {
  /** The server gives an event to another host when this one was silent for so long. */
  readonly ackWaitMs: number;
  /** How often the server is asked what waits, for what no bell rang for. */
  readonly lookMs: number;
  /** A request for messages waits so long for the first one. */
  readonly pullWaitMs: number;
  /** What this host takes of all tenants, between taking it and settling it. */
  readonly maxHeld: number;
}

/** Events of one tenant that are with hosts or put off: past it the server gives out nothing more of that tenant. */
const MAX_ACK_PENDING = 20_000;
/** What a server lets be changed on a consumer that is there. */
const CHANGEABLE = new Set(['ack_wait', 'max_ack_pending', 'max_deliver', 'max_waiting', 'description']);
const CONSUMER_NOT_FOUND = 10014;
const RETRY_MS = 1000;
/** Consumers that the server is asked for at a time; a thousand at once took it longer than one may wait. */
const OPENINGS_AT_ONCE = 16;

/**
 * The durable consumers, one a tenant, and this host's share of what they give. Rings for a tenant when something is
 * published for it, and where a look at the server shows what nobody rang for.
 */
export class Consumers {
  /** The last of those that wait in each lane. */
  readonly #lanes: Promise<void>[] = [];
  #nextLane = 0;
  readonly #connection: Connection;
  readonly #layout: Layout;
  readonly #options: ConsumersOptions;
  readonly #parts: Omit<TenantQueueParts, 'onReady' | 'held' | 'ackWaitMs'>;
  readonly #queues = new Map<string, TenantQueue>();
  readonly #pulls: Pulls;
  readonly #held: { total: number; readonly max: number };
  readonly #beat: NodeJS.Timeout;
  readonly #sweep: NodeJS.Timeout;
  #look: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(
    connection: Connection,
    layout: Layout,
    parts: Omit<TenantQueueParts, 'onReady' | 'held' | 'ackWaitMs'>,
    options: ConsumersOptions,
  ) {
    this.#connection = connection;
    this.#layout = layout;
    this.#parts = parts;
    this.#options = options;
    this.#held = { total: 0, max: options.maxHeld };
    this.#pulls = new Pulls(connection, layout, {
      queueOf: (tenant) => this.#queues.get(tenant),
      onGone: (queue) => void this.#recreate(queue),
      held: this.#held,
      waitMs: options.pullWaitMs,
    });
    this.#beat = setInterval(() => this.#onBeat(), options.ackWaitMs / 3);
    this.#sweep = setInterval(() => this.#pulls.sweep(), RETRY_MS);
    this.#lookLater();
    connection.onChange((isReady) => {
      this.#pulls.abandon();
      if (isReady) for (const queue of this.#queues.values()) this.#pulls.ring(queue);
    });
  }

  /** Requests that are open at the server. */
  get openPulls(): number {
    return this.#pulls.open;
  }

  /** @throws GtpackError `bus_consumer_taken`, `bus_mismatch`, `bus_unavailable`; RangeError */
  async consume(tenant: TenantId, options: ConsumeOptions): Promise<Consumer> {
    if (!Number.isInteger(options.maxInFlight) || options.maxInFlight < 1)
      throw new RangeError(`maxInFlight: expected a whole number from 1, got ${options.maxInFlight}`);
    this.#connection.checkReady();
    const queue = this.#queueOf(tenant);
    queue.attach(options);
    try {
      await this.#open(tenant, options.ordered ?? false);
    } catch (error) {
      queue.detach(options);
      throw error;
    }
    this.#pulls.ring(queue);
    return {
      settle: (settlement) => queue.settle(settlement),
      stop: async () => queue.detach(options),
    };
  }

  /** Something was published for the tenant. */
  ring(tenant: string): void {
    const queue = this.#queues.get(tenant);
    if (queue !== undefined) this.#pulls.ring(queue);
  }

  /** Asks the server what waits for each tenant, and rings for what nobody rang for. @throws GtpackError `bus_unavailable` */
  async look(): Promise<ReadonlyMap<TenantId, Waiting>> {
    this.#connection.checkReady();
    const waiting = new Map<TenantId, Waiting>();
    try {
      for await (const info of this.#connection.manager.consumers.list(this.#layout.events)) {
        const tenant = this.#layout.tenantOfConsumer(info.name);
        if (tenant === undefined) continue;
        waiting.set(tenant, {
          pending: info.num_pending,
          out: info.num_ack_pending,
          given: info.delivered.stream_seq,
          floor: info.ack_floor.stream_seq,
        });
        this.#rouse(tenant, info);
      }
    } catch (cause) {
      throw new GtpackError(
        'bus_unavailable',
        `The NATS server does not say what waits: ${errorMessage(cause)}.`,
        { cause },
      );
    }
    return waiting;
  }

  /** Asks for nothing more. */
  async pause(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#look);
    await this.#pulls.close();
  }

  /** Hands back what is not settled. */
  close(): void {
    clearInterval(this.#beat);
    clearInterval(this.#sweep);
    for (const queue of this.#queues.values()) queue.close();
  }

  #queueOf(tenant: TenantId): TenantQueue {
    const known = this.#queues.get(tenant);
    if (known !== undefined) return known;
    const queue = new TenantQueue(tenant, {
      ...this.#parts,
      ackWaitMs: this.#options.ackWaitMs,
      held: this.#held,
      onReady: (ready) => this.#pulls.ready(ready),
    });
    this.#queues.set(tenant, queue);
    return queue;
  }

  #onBeat(): void {
    for (const queue of this.#queues.values()) queue.heartbeat();
  }

  #lookLater(): void {
    this.#look = setTimeout(() => {
      const looked = this.#connection.isReady ? this.look() : Promise.resolve();
      // A look that could not be taken is taken again.
      void looked
        .catch(() => undefined)
        .finally(() => {
          if (!this.#isClosed) this.#lookLater();
        });
    }, this.#options.lookMs);
  }

  #rouse(tenant: TenantId, { num_pending: pending, num_ack_pending: out }: ConsumerInfo): void {
    const queue = this.#queues.get(tenant);
    // What a dead host had is out, and given again to whoever asks.
    if (queue !== undefined && (pending > 0 || out > queue.size)) this.#pulls.ring(queue);
  }

  async #recreate(queue: TenantQueue): Promise<void> {
    await this.#connection.pause(RETRY_MS);
    if (this.#isClosed || !queue.isConsumed) return;
    try {
      await this.#open(queue.tenant, queue.isOrdered);
      this.#pulls.ring(queue);
    } catch {
      void this.#recreate(queue);
    }
  }

  /** In its turn: the time that a server is waited for runs from when it was asked, not from when it has got round to it. */
  #open(tenant: TenantId, ordered: boolean): Promise<void> {
    const lane = this.#nextLane;
    this.#nextLane = (lane + 1) % OPENINGS_AT_ONCE;
    const before = this.#lanes[lane] ?? Promise.resolve();
    const opened = before.then(() => this.#openNow(tenant, ordered));
    this.#lanes[lane] = opened.catch(() => undefined);
    return opened;
  }

  /** Creates the tenant's consumer, or adopts the one that is there under its name. */
  async #openNow(tenant: TenantId, ordered: boolean): Promise<void> {
    const { consumers } = this.#connection.manager;
    const stream = this.#layout.events;
    const wanted = this.#wanted(tenant, ordered);
    try {
      const there = await consumers.info(stream, wanted.durable_name).catch((error: unknown) => {
        if (error instanceof JetStreamApiError && error.code === CONSUMER_NOT_FOUND) return null;
        throw error;
      });
      if (there === null) await consumers.add(stream, wanted);
      else if (changesOf(there.config, wanted)) await consumers.update(stream, wanted.durable_name, wanted);
    } catch (error) {
      if (error instanceof GtpackError) throw error;
      const message = `The consumer ${wanted.durable_name} could not be opened: ${errorMessage(error)}.`;
      throw new GtpackError('bus_unavailable', message, { cause: error });
    }
  }

  #wanted(tenant: TenantId, ordered: boolean): ConsumerConfig & { readonly durable_name: string } {
    return {
      durable_name: this.#layout.consumerOf(tenant),
      filter_subject: this.#layout.eventsOf(tenant),
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      replay_policy: ReplayPolicy.Instant,
      ack_wait: this.#options.ackWaitMs * 1_000_000,
      // Strict order is the server's to keep: over all hosts one event at a time, and one that is put off holds it.
      max_ack_pending: ordered ? 1 : MAX_ACK_PENDING,
      max_deliver: -1,
    };
  }
}

/** @returns whether something is to be changed @throws GtpackError `bus_mismatch` */
function changesOf(
  there: ConsumerConfig,
  wanted: ConsumerConfig & { readonly durable_name: string },
): boolean {
  let hasChanges = false;
  for (const [field, needed] of Object.entries(wanted)) {
    const found = there[field as keyof ConsumerConfig];
    if (found === needed) continue;
    if (!CHANGEABLE.has(field))
      throw new GtpackError(
        'bus_mismatch',
        `The consumer ${wanted.durable_name} on the NATS server has ${field} ${JSON.stringify(found)}; this host needs ${JSON.stringify(needed)}, and no server changes that in place.`,
        { cure: 'Delete it: the next start makes a new one, and what was finished is not done again.' },
      );
    hasChanges = true;
  }
  return hasChanges;
}
