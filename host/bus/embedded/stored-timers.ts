import type { TenantId } from '../../event/names.ts';
import type { EventMessage } from '../bus.ts';
import type { Owner } from '../owner.ts';
import { awaitedOf, isParkedRuns, parkedRuns } from '../parked.ts';
import type {
  DueTimers,
  StoredTimer,
  Timer,
  TimerPage,
  TimerQueue,
  TimerStore,
  WaitingTimers,
} from '../timers.ts';
import { WaitIndex, type Waits } from '../waits.ts';
import { request } from './request.ts';
import { copiedEvent } from './settlement.ts';
import type { StoreConnection } from './store-connection.ts';
import { memoryBytes } from './tenant-queue.ts';
import type { Results } from './wire.ts';

/** Timers that are read at a time when the store is opened. */
const WAITS_A_PAGE = 2000;

type TimerListener = (queue: TimerQueue, dueAt: number) => void;

/** The main side of `timers`. Copies what crosses to the thread: a caller's object may hold more. */
export class StoredTimers implements TimerStore {
  /** Each change of it is in the turn of its commit, so that nobody else has to be waited for. */
  readonly waits: Waits;
  readonly #waits = new WaitIndex();
  readonly #store: StoreConnection;
  readonly #onEvent: (tenant: TenantId, event: EventMessage, sequence: number) => void;
  readonly #listeners = new Set<TimerListener>();

  /** @param onEvent hears of the event of a timer that fired, in the turn of the commit */
  constructor(
    store: StoreConnection,
    onEvent: (tenant: TenantId, event: EventMessage, sequence: number) => void,
  ) {
    this.#store = store;
    this.#onEvent = onEvent;
    const waits = this.#waits;
    this.waits = {
      has: (tenant) => waits.has(tenant),
      catchUp: () => Promise.resolve(),
      find: (...asked) => waits.find(...asked),
    };
  }

  /** Learns of the runs that wait for events. @throws GtpackError `bus_unavailable` */
  async open(): Promise<void> {
    for (let after: number | null = 0; after !== null; ) {
      const page: Results['waits'] = await request<'waits'>(
        this.#store,
        { kind: 'waits', after, limit: WAITS_A_PAGE },
        0,
      );
      for (const { tenant, ...timer } of page.timers) this.#awaits(parkedRuns(tenant), timer);
      after = page.next;
    }
  }

  set({ tenant, source }: Owner, timer: Timer, maxTimers: number): Promise<boolean> {
    const { id, dueAt, everyMs, type, payload, metadata } = timer;
    return request<'timer_set'>(
      this.#store,
      {
        kind: 'timer_set',
        owner: { tenant, source },
        timer: { id, dueAt, everyMs, type, payload, metadata },
        maxTimers,
      },
      memoryBytes(payload) + memoryBytes(metadata),
      (isSet) => {
        if (isSet) this.isSet({ tenant, source, type }, timer);
      },
    );
  }

  /** A timer has become durable. */
  isSet(queue: TimerQueue, { id, dueAt, metadata }: Pick<Timer, 'id' | 'dueAt' | 'metadata'>): void {
    this.#awaits(queue, { id, metadata });
    for (const listener of this.#listeners) listener(queue, dueAt);
  }

  clear({ tenant, source }: Owner, id: string): Promise<boolean> {
    const owner = { tenant, source };
    return request<'timer_clear'>(this.#store, { kind: 'timer_clear', owner, id }, 0, () => {
      this.#gone(owner, id);
    });
  }

  get({ tenant, source }: Owner, id: string): Promise<StoredTimer | null> {
    return request<'timer_get'>(this.#store, { kind: 'timer_get', owner: { tenant, source }, id }, 0);
  }

  list({ tenant, source }: Owner, after: string | null, limit: number): Promise<TimerPage> {
    const owner = { tenant, source };
    return request<'timer_list'>(this.#store, { kind: 'timer_list', owner, after, limit }, 0);
  }

  queues(): Promise<readonly WaitingTimers[]> {
    return request<'timer_queues'>(this.#store, { kind: 'timer_queues' }, 0);
  }

  due({ tenant, source, type }: TimerQueue, now: number, limit: number): Promise<DueTimers> {
    const queue = { tenant, source, type };
    return request<'timers_due'>(this.#store, { kind: 'timers_due', queue, at: now, limit }, 0);
  }

  async fire(
    { tenant, source }: Owner,
    { id, revision, dueAt }: StoredTimer,
    event: EventMessage,
    nextDueAt: number | null,
  ): Promise<boolean> {
    const copy = copiedEvent(event);
    const sequence = await request<'timer_fire'>(
      this.#store,
      { kind: 'timer_fire', owner: { tenant, source }, timer: { revision, dueAt }, event: copy, nextDueAt },
      memoryBytes(copy.json),
      (stored) => {
        if (stored === null) return;
        if (nextDueAt === null) this.#gone({ tenant, source }, id);
        this.#onEvent(tenant, copy, stored);
      },
    );
    return sequence !== null;
  }

  #awaits({ tenant, source }: Owner, { id, metadata }: Pick<Timer, 'id' | 'metadata'>): void {
    const awaited = awaitedOf({ tenant, source }, metadata);
    if (awaited !== undefined) this.#waits.add(nameOf(tenant, id), tenant, id, awaited);
  }

  #gone(owner: Owner, id: string): void {
    if (isParkedRuns(owner)) this.#waits.drop(nameOf(owner.tenant, id));
  }

  watch(listener: TimerListener): () => void {
    const heard: TimerListener = (queue, dueAt) => listener(queue, dueAt);
    this.#listeners.add(heard);
    return () => {
      this.#listeners.delete(heard);
    };
  }
}

function nameOf(tenant: TenantId, id: string): string {
  return `${tenant}\n${id}`;
}
