import { randomUUID } from 'node:crypto';
import { GtpackError } from '../../errors.ts';
import { eventBounds } from '../../event/json-bounds.ts';
import type { TenantId } from '../../event/names.ts';
import { eventIds } from '../../event/normalize.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import type {
  Bus,
  ConsumeOptions,
  Consumer,
  Delivery,
  EventMessage,
  JournalEntry,
  Receipt,
  Settlement,
  TapListener,
  TenantCounts,
} from '../bus.ts';
import { type Scheduler, SYSTEM_SCHEDULER } from '../embedded/scheduler.ts';
import { Taps } from '../embedded/taps.ts';
import type { ParkedRun } from '../parked.ts';
import type { DeadLetters, FinishedRuns } from '../records.ts';
import { Claims } from './claims.ts';
import type { Msg } from './client.ts';
import { Connection, type ConnectionSettings } from './connection.ts';
import { Consumers } from './consumers.ts';
import { NatsCounts } from './counts.ts';
import { EventMessages } from './event-message.ts';
import { HostKey } from './host-key.ts';
import { split } from './incoming.ts';
import { Intake } from './intake.ts';
import { Journals } from './journals.ts';
import { Layout } from './layout.ts';
import { Leases } from './leases.ts';
import { Listening } from './listening.ts';
import { NatsLetters } from './nats-letters.ts';
import { NatsRuns } from './nats-runs.ts';
import { Publisher } from './publisher.ts';
import { type Settled, Settlements } from './settlements.ts';
import { openStreams } from './streams.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export interface ParkedStore {
  /** Again, where it was done before. @throws GtpackError `bus_unavailable` */
  park(tenant: TenantId, run: ParkedRun): Promise<void>;
  /** @throws GtpackError `bus_unavailable` */
  count(tenant: TenantId): Promise<number>;
}

const NOWHERE: ParkedStore = {
  park: () => Promise.reject(new GtpackError('bus_unavailable', 'The bus parks no runs yet.')),
  count: () => Promise.resolve(Number.POSITIVE_INFINITY),
};

export interface NatsBusOptions extends ConnectionSettings {
  /** B4: default 24 hours. */
  readonly dedupeWindowMs?: number;
  /** How long events, finished runs and journals are kept; default 7 days, and no less than the dedupe window. */
  readonly retentionMs?: number;
  /** Bound on the stream of events; past it publishing fails. Default: none but the server's. */
  readonly maxBytes?: number;
  /** An event goes to another host when the one that had it was silent for so long. Default: 30 s. */
  readonly ackWaitMs?: number;
  /** How often the server is asked what waits, for what no bell rang for. Default: 10 s. */
  readonly lookMs?: number;
  /**
   * A request for a tenant's messages waits so long for the first one: longer than the server may need to store what
   * rang. Default: 500 ms; closing takes as long.
   */
  readonly pullWaitMs?: number;
  /** Events that this host takes of all tenants at a time, between taking and settling them. Default: 10,000. */
  readonly maxHeld?: number;
  /** Default: the system's clock and timers. */
  readonly scheduler?: Scheduler;
}

/**
 * The bus on NATS JetStream, shared by any number of hosts.
 *
 * - `client` the one door to the NATS client; `connection`, `requests`, `credentials`, `tls` the way to the server
 * - `layout`, `streams`, `stream-api`, `host-key` what lies where, and what only hosts know
 * - `event-message`, `foreign-event` events as messages; `publisher`, `recent-ids` from here to the stream
 * - `consumers`, `pulls`, `tenant-queue` from the stream to here; `incoming`, `intake`, `claims`, `leases` what is taken
 * - `counts` what waits and what died
 * - `settlements`, `journals` what runs leave behind; `nats-letters`, `nats-runs`, `stream-pages` what operators see of it
 * - `listening` what other hosts publish
 *
 * Invariants:
 * - B1 a receipt is what the stream's quorum acknowledged; what is not known to be stored is `bus_unavailable`.
 * - B2 an event is acknowledged after everything it leads to is stored; what a dead host had, the server gives to another.
 * - B3 every word of a journal names the one before, so a journal has one history: a host that lost its event to another
 *   one is refused at its next word.
 * - B4 an id belongs to the event that is the first on the id's own subject.
 * - B5 an event has one settlement, whoever stores it first; results, dead letter and alert follow from it under ids
 *   that repeat.
 */
export class NatsBus implements Bus {
  readonly deadLetters: DeadLetters;
  readonly runs: FinishedRuns;
  readonly connection: Connection;
  readonly dedupeWindowMs: number;
  /** Where runs are parked; nowhere before the streams of what is kept are opened. */
  parked: ParkedStore = NOWHERE;
  readonly #layout: Layout;
  readonly #publisher: Publisher;
  readonly #journals: Journals;
  readonly #consumers: Consumers;
  readonly #counts: NatsCounts;
  readonly #claims: Claims;
  readonly #settlements: Settlements;
  readonly #ends = new Set<(tenant: TenantId, event: EventMessage) => void>();
  readonly #taps = new Taps();
  readonly #listening: Listening;
  /** What was asked for and is not stored yet. */
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(connection: Connection, layout: Layout, key: HostKey, options: NatsBusOptions) {
    const { dedupeWindowMs: windowMs = DAY_MS, ackWaitMs = 30_000 } = options;
    const { lookMs = 10_000, pullWaitMs = 500, maxHeld = 10_000 } = options;
    const scheduler = options.scheduler ?? SYSTEM_SCHEDULER;
    const now = () => scheduler.now();
    // Another one at each start: what an earlier process of this host left is another's.
    const name = randomUUID();
    const messages = new EventMessages(layout, key);
    this.connection = connection;
    this.dedupeWindowMs = windowMs;
    this.#layout = layout;
    this.#journals = new Journals(connection, layout, key, name);
    this.#publisher = new Publisher({
      ...{ connection, key, messages, name, windowMs, now },
      onStored: (tenant, event) => this.#tell((taps) => taps.event(tenant, event)),
    });
    const settlements = new Settlements({
      ...{ connection, layout, key, journals: this.#journals, publisher: name },
      onEnded: (settled, event) => {
        this.#tell((taps) => taps.settled(settled.tenant, settlementOf(settled, event)));
        for (const listener of this.#ends) listener(settled.tenant, event);
      },
      publishAlert: async (tenant, alert) => {
        await this.#publisher.publish(tenant, [alert]);
      },
      park: (tenant, run) => this.parked.park(tenant, run),
    });
    const claims = new Claims(connection, layout, key, windowMs);
    this.#claims = claims;
    this.#settlements = settlements;
    const leases = new Leases(connection, layout, name);
    const bounds = eventBounds(DEFAULT_LIMITS);
    const intake = new Intake({
      ...{ messages, key, claims, leases, settlements, bounds, windowMs, now },
      ids: eventIds(),
    });
    const onForeign = (tenant: TenantId, event: EventMessage) =>
      this.#tell((taps) => taps.event(tenant, event));
    const countParked = (tenant: TenantId) => this.parked.count(tenant);
    const parts = { connection, intake, leases, settlements, scheduler, countParked, onForeign };
    this.#consumers = new Consumers(connection, layout, parts, {
      ...{ ackWaitMs, lookMs, pullWaitMs, maxHeld },
    });
    this.#counts = new NatsCounts({ connection, layout, messages, waiting: () => this.#consumers.look() });
    const operators = { connection, layout, key, claims, settlements, name, now };
    this.deadLetters = new NatsLetters({
      ...operators,
      journals: this.#journals,
      publisher: this.#publisher,
    });
    this.runs = new NatsRuns(connection, layout, settlements, this.#journals);
    this.#listening = new Listening({ key, messages, name });
    this.#hear();
  }

  /** @throws GtpackError `bus_unreachable`, `bus_refused`, `bus_mismatch`, `bus_unavailable` */
  static async open(options: NatsBusOptions): Promise<NatsBus> {
    const connection = await Connection.open(options);
    try {
      const layout = new Layout(options.env);
      const { dedupeWindowMs = DAY_MS, maxBytes = -1 } = options;
      const retentionMs = Math.max(options.retentionMs ?? 7 * DAY_MS, dedupeWindowMs);
      await openStreams(connection, layout, { dedupeWindowMs, retentionMs, maxBytes });
      return new NatsBus(connection, layout, await HostKey.open(connection, layout), options);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** Requests for messages that are open at the server, over all tenants. */
  get openPulls(): number {
    return this.#consumers.openPulls;
  }

  publish(
    tenant: TenantId,
    messages: readonly EventMessage[],
    journal: readonly JournalEntry[] = [],
  ): Promise<Receipt[]> {
    if (messages.length === 0 && journal.length === 0) return Promise.resolve([]);
    return this.#track(async () => {
      // Events first, under ids that repeat: after a crash in between the run publishes them once more.
      const receipts = await this.#publisher.publish(tenant, messages);
      if (journal.length > 0) await this.#journals.record(journal);
      return receipts;
    });
  }

  async consume(tenant: TenantId, options: ConsumeOptions): Promise<Consumer> {
    this.#checkOpen();
    const consumer = await this.#consumers.consume(tenant, options);
    return {
      settle: (settlement) => this.#track(() => consumer.settle(settlement)),
      stop: () => consumer.stop(),
    };
  }

  /** Whether an event was acknowledged or given up; false for one that nobody has taken. @throws GtpackError `bus_unavailable` */
  async isEnded(tenant: TenantId, id: string): Promise<boolean> {
    const claim = await this.#claims.find(tenant, id);
    return claim !== null && (await this.#settlements.find(tenant, claim.position)) !== null;
  }

  /** Hears of each event that this host ends. @returns the function that stops it */
  watchEnds(listener: (tenant: TenantId, event: EventMessage) => void): () => void {
    const heard: typeof listener = (tenant, event) => listener(tenant, event);
    this.#ends.add(heard);
    return () => {
      this.#ends.delete(heard);
    };
  }

  async journals(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly JournalEntry[]>> {
    return this.#track(() => this.#journals.takeOver(runIds));
  }

  tap(listener: TapListener): () => void {
    return this.#taps.add(listener);
  }

  /** As they were a second ago at most. @throws GtpackError `bus_unavailable` */
  async counts(): Promise<ReadonlyMap<TenantId, TenantCounts>> {
    this.#checkOpen();
    return this.#counts.counts();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const grace = Promise.withResolvers<void>();
    const timer = setTimeout(grace.resolve, CLOSE_GRACE_MS);
    // A server that is away stores nothing of it.
    const whileAway = this.connection.onChange(() => grace.resolve());
    const done = Promise.allSettled([this.#consumers.pause(), ...this.#underWay]);
    if (this.connection.isReady) await Promise.race([done, grace.promise]);
    clearTimeout(timer);
    whileAway();
    this.#consumers.close();
    await this.connection.close();
  }

  #hear(): void {
    const events = this.#layout.allEvents.slice(0, -1);
    this.connection.subscribe(this.#layout.allEvents, (message) => {
      const [tenant, rest] = split(message.subject.slice(events.length));
      if (!rest.endsWith('.result')) this.#consumers.ring(tenant);
      this.#hearOther(message, events, 'event');
    });
    const letters = this.#layout.allLetters.slice(0, -1);
    this.connection.subscribe(this.#layout.allLetters, (message) =>
      this.#hearOther(message, letters, 'dead_letter'),
    );
  }

  #hearOther(message: Msg, prefix: string, kind: 'event' | 'dead_letter'): void {
    if (!this.#taps.isHeard) return;
    const told = this.#listening.read(message, prefix, kind);
    if (told !== undefined) this.#tell((taps) => taps.note(told));
  }

  #tell(note: (taps: Taps) => void): void {
    note(this.#taps);
    this.#taps.flush();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new GtpackError('bus_unavailable', 'The bus is closed.');
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    const done = work();
    this.#underWay.add(done);
    try {
      return await done;
    } finally {
      this.#underWay.delete(done);
    }
  }
}

/** How long closing waits for what was asked for before; after that it was not stored. */
const CLOSE_GRACE_MS = 5000;

function settlementOf(settled: Settled, event: EventMessage): Settlement {
  const { kind, position: sequence, attempts: attempt, runs, reason = '' } = settled;
  const delivery: Delivery = { ...event, sequence, attempt, redelivered: false };
  return kind === 'ack' ? { kind, delivery, runs } : { kind, delivery, runs, reason };
}
