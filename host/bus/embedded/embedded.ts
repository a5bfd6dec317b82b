import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import type {
  ConsumeOptions,
  Consumer,
  DurableBus,
  EventMessage,
  JournalEntry,
  Receipt,
  Settlement,
  TapListener,
  TenantCounts,
} from '../bus.ts';
import { parkedRuns, RESUME_EVENT } from '../parked.ts';
import type { DeadLetters, FinishedRuns } from '../records.ts';
import type { ScheduleStore } from '../schedules.ts';
import type { StateStore } from '../state.ts';
import type { Waits } from '../waits.ts';
import { Dispatcher } from './dispatcher.ts';
import { oldestPending } from './oldest-pending.ts';
import { overfull } from './request.ts';
import { Retention } from './retention.ts';
import { type Scheduler, SYSTEM_SCHEDULER } from './scheduler.ts';
import { copiedEvent, settlementOperation } from './settlement.ts';
import { type QueueBounds, StoreConnection } from './store-connection.ts';
import { StoredLetters, StoredRuns } from './stored-records.ts';
import { StoredSchedules } from './stored-schedules.ts';
import { StoredState } from './stored-state.ts';
import { StoredTimers } from './stored-timers.ts';
import { Taps } from './taps.ts';
import { memoryBytes } from './tenant-queue.ts';
import type { OperationOf } from './wire.ts';

export interface EmbeddedBusOptions {
  /** Made when it is missing, with its folder, readable by this user only. */
  readonly file: string;
  /** B4: default 24 hours. */
  readonly dedupeWindowMs?: number;
  /** How long settled events and finished runs are kept; default, and least, the dedupe window. */
  readonly retentionMs?: number;
  /**
   * Bound on the file; past it publishing fails as on a full disk. Near it, the oldest of what is settled goes before
   * its time. Default: 64 GiB.
   */
  readonly maxFileBytes?: number;
  /** Operations that may wait for the store; default 10,000. */
  readonly maxQueuedOperations?: number;
  /** Text that may wait for the store, two bytes a character; default 64 MiB. */
  readonly maxQueuedBytes?: number;
  /** Default: the system's clock and timers. */
  readonly scheduler?: Scheduler;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const MiB = 1024 * 1024;

/** @throws GtpackError `bus_locked`, `bus_schema_newer`, `bus_corrupt`, `bus_disk_full`, `bus_unwritable` */
export async function openEmbeddedBus(options: EmbeddedBusOptions): Promise<DurableBus> {
  const { file, dedupeWindowMs = DAY_MS, maxFileBytes = 64 * 1024 * MiB } = options;
  const { retentionMs = dedupeWindowMs, maxQueuedOperations = 10_000, maxQueuedBytes = 64 * MiB } = options;
  const scheduler = options.scheduler ?? SYSTEM_SCHEDULER;
  const bounds: QueueBounds = { maxQueuedOperations, maxQueuedBytes };
  const store = await StoreConnection.open({ file, dedupeWindowMs, maxFileBytes }, scheduler, bounds);
  const bus = new StoredBus(store, scheduler, Math.max(retentionMs, dedupeWindowMs));
  try {
    await bus.timers.open();
  } catch (error) {
    await bus.close();
    throw error;
  }
  return bus;
}

/**
 * The embedded bus: one SQLite file, served by a thread of its own.
 *
 * - `store-connection` the main side of that thread: group commit, bounds; `wire` what crosses
 * - `store-thread`, `store`, `statements`, `backlog` the thread's side; `database`, `schema`, `fault` its file
 * - `sweep`, `checkpoint` what keeps the file small, in steps that are bounded whatever it holds
 * - `stored-state`, `stored-timers` what providers keep; `state-table`, `timer-table` the thread's side of it
 * - `stored-schedules` where the schedules are; `schedule-table` the thread's side of it
 * - `stored-records` what operators see and mend; `record-tables` the thread's side of it
 * - `store-check` looks through a store that no host serves
 * - `dispatcher`, `tenant-queue` deliveries, leases and retries; `settlement`, `taps`, `retention`, `scheduler`
 *
 * Invariants:
 * - B1 a promise resolves after the commit that holds its operation, fsynced.
 * - B2 what is not settled is a row of `pending`; leases are memory only, so a dead process holds nothing back.
 *   A tenant's queue waits on its own consumer only, and never holds more in memory than its bound.
 * - B3 a journal entry is in the same transaction as the events it goes with, and outlives them until the event is acknowledged.
 * - B4 (tenant, id) is unique among the events of the window, by an index.
 * - B5 a dead letter is written in the transaction that ends the event, and its alert with it; it is replayed in the
 *   transaction that takes it away.
 */
class StoredBus implements DurableBus {
  readonly state: StateStore;
  readonly timers: StoredTimers;
  readonly waits: Waits;
  readonly schedules: ScheduleStore;
  readonly deadLetters: DeadLetters;
  readonly runs: FinishedRuns;
  readonly #store: StoreConnection;
  readonly #scheduler: Scheduler;
  readonly #dispatcher: Dispatcher;
  readonly #retention: Retention;
  readonly #schedules: StoredSchedules;
  readonly #taps = new Taps();

  constructor(store: StoreConnection, scheduler: Scheduler, retentionMs: number) {
    this.#store = store;
    this.#scheduler = scheduler;
    this.#dispatcher = new Dispatcher(store, scheduler);
    this.#retention = new Retention(store, scheduler, retentionMs);
    this.state = new StoredState(store);
    this.timers = new StoredTimers(store, (tenant, event, sequence) =>
      this.#eventStored(tenant, event, sequence),
    );
    this.waits = this.timers.waits;
    this.#schedules = new StoredSchedules(store, {
      copied: (messages) => {
        if (!messages.every(isUnicode)) throw notUnicode();
        return messages.map(copiedEvent);
      },
      stored: (tenant, messages, sequences) => this.#stored({ tenant, messages }, sequences),
    });
    this.schedules = this.#schedules;
    this.deadLetters = new StoredLetters(store, {
      replayed: ({ tenant }, { event, sequence }, fromStart) => {
        this.#dispatcher.queueOf(tenant).deadLetters -= 1;
        this.#eventStored(tenant, event, sequence, !fromStart);
      },
      dropped: ({ tenant }) => {
        this.#dispatcher.queueOf(tenant).deadLetters -= 1;
      },
    });
    this.runs = new StoredRuns(store);
    store.onBatch = () => this.#taps.flush();
    store.onCrowded = () => this.#retention.urge();
  }

  publish(
    tenant: TenantId,
    messages: readonly EventMessage[],
    journal: readonly JournalEntry[] = [],
  ): Promise<Receipt[]> {
    if (messages.length === 0 && journal.length === 0) return Promise.resolve([]);
    let bytes = 0;
    for (const message of messages) {
      if (!isUnicode(message)) return Promise.reject(notUnicode());
      bytes += memoryBytes(message.json);
    }
    for (const { entry } of journal) bytes += memoryBytes(entry);
    if (!this.#store.hasRoom(tenant, bytes)) return Promise.reject(overfull());
    // Copies of what is to be stored: a caller's object may hold more, which must not cross to the thread.
    const operation: OperationOf<'publish'> = {
      kind: 'publish',
      tenant,
      messages: messages.map(copiedEvent),
      journal: journal.map(({ runId, ordinal, entry }) => ({ runId, ordinal, entry })),
    };
    return new Promise((resolve, reject) => {
      this.#store.submit<'publish'>(operation, bytes, (answer) => {
        if (answer.ok) resolve(this.#stored(operation, answer.result));
        else reject(answer.error);
      });
    });
  }

  #stored(
    { tenant, messages }: Pick<OperationOf<'publish'>, 'tenant' | 'messages'>,
    sequences: readonly number[],
  ): Receipt[] {
    return messages.map((message, index) => {
      const sequence = sequences[index] ?? 0;
      this.#eventStored(tenant, message, sequence);
      return { id: message.id, duplicate: sequence === 0 };
    });
  }

  #eventStored(tenant: TenantId, message: EventMessage, sequence: number, redelivered = false): void {
    if (sequence === 0) return;
    this.#dispatcher.stored(tenant, message, sequence, redelivered);
    this.#taps.event(tenant, message);
  }

  consume(tenant: TenantId, options: ConsumeOptions): Promise<Consumer> {
    const { maxInFlight, ordered = false, onDeliveries } = options;
    if (!Number.isInteger(maxInFlight) || maxInFlight < 1)
      return Promise.reject(
        new RangeError(`maxInFlight: expected a whole number from 1 up, got ${maxInFlight}`),
      );
    const queue = this.#dispatcher.queueOf(tenant);
    if (queue.consumer !== undefined)
      return Promise.reject(
        new GtpackError('bus_consumer_taken', `The tenant ${tenant} has a consumer; expected none.`, {
          cure: 'Stop it before another one starts.',
        }),
      );
    // An object of its own, which tells this consumer from the one before.
    const consumer: ConsumeOptions = { maxInFlight, ordered, onDeliveries };
    this.#dispatcher.attach(queue, consumer);
    return Promise.resolve({
      settle: (settlement) => this.#settle(tenant, settlement),
      stop: () => {
        if (queue.consumer === consumer) this.#dispatcher.detach(queue);
        return Promise.resolve();
      },
    });
  }

  #settle(tenant: TenantId, settlement: Settlement): Promise<void> {
    const { operation, bytes } = settlementOperation(tenant, settlement, this.#scheduler.now());
    const queue = this.#dispatcher.queueOf(tenant);
    const takeBack = this.#dispatcher.unlease(queue, settlement.delivery, settlement.kind === 'nak');
    return new Promise((resolve, reject) => {
      this.#store.submit<'ack' | 'nak' | 'dead'>(operation, bytes, (answer) => {
        if (!answer.ok) {
          takeBack();
          reject(answer.error);
          return;
        }
        if (operation.kind === 'ack' && answer.result === 'put_off') {
          this.#dispatcher.delayed(queue, operation.parking?.availableAt ?? 0);
        } else if (answer.result !== false && answer.result !== null) {
          if (operation.kind === 'nak') this.#dispatcher.delayed(queue, operation.availableAt);
          else queue.pending -= 1;
          if (operation.kind === 'dead') queue.deadLetters += 1;
          this.#taps.settled(tenant, settlement);
          if (operation.kind !== 'nak') this.#schedules.settled(tenant, settlement.delivery);
          if (operation.kind === 'dead' && operation.alert !== null)
            this.#eventStored(tenant, operation.alert, Number(answer.result));
          if (operation.kind === 'ack') this.#parked(tenant, operation);
        } else if (operation.kind === 'nak') {
          this.#dispatcher.delayed(queue, 0); // Nothing was put off, so nothing may be held back by it.
        }
        resolve();
      });
    });
  }

  #parked(tenant: TenantId, { parking }: OperationOf<'ack'>): void {
    const queue = { ...parkedRuns(tenant), type: RESUME_EVENT };
    for (const { timer } of parking?.runs ?? []) this.timers.isSet(queue, timer);
  }

  journals(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly JournalEntry[]>> {
    if (runIds.length === 0) return Promise.resolve(new Map());
    return new Promise((resolve, reject) => {
      this.#store.submit<'journals'>({ kind: 'journals', runIds }, 0, (answer) => {
        if (!answer.ok) return reject(answer.error);
        const found = new Map<string, readonly JournalEntry[]>();
        for (const [index, runId] of runIds.entries()) {
          const entries = answer.result[index] ?? [];
          if (entries.length > 0) found.set(runId, entries);
        }
        resolve(found);
      });
    });
  }

  tap(listener: TapListener): () => void {
    return this.#taps.add(listener);
  }

  get lost(): Promise<GtpackError> {
    return this.#store.lost;
  }

  async counts(): Promise<ReadonlyMap<TenantId, TenantCounts>> {
    const oldest = await oldestPending(this.#store, this.#dispatcher.queues);
    const counts = new Map<TenantId, TenantCounts>();
    for (const { tenant, pending, deadLetters } of this.#dispatcher.queues) {
      const oldestAt = oldest.get(tenant);
      counts.set(tenant, { pending, deadLetters, ...(oldestAt === undefined ? {} : { oldestAt }) });
    }
    return counts;
  }

  close(): Promise<void> {
    this.#retention.close();
    this.#dispatcher.close();
    return this.#store.close();
  }
}

/** SQLite would store U+FFFD for a lone surrogate: two ids would become one, and the text another one. */
function isUnicode({ id, json }: EventMessage): boolean {
  return id.isWellFormed() && json.isWellFormed();
}

function notUnicode(): GtpackError {
  return new GtpackError('event_invalid', 'The event holds half of a surrogate pair; expected Unicode text.');
}
