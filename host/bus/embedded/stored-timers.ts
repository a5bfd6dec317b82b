import type { TenantId } from '../../event/names.ts';
import type { EventMessage } from '../bus.ts';
import type { Owner } from '../owner.ts';
import type {
  DueTimers,
  StoredTimer,
  Timer,
  TimerPage,
  TimerQueue,
  TimerStore,
  WaitingTimers,
} from '../timers.ts';
import { request } from './request.ts';
import { copiedEvent } from './settlement.ts';
import type { StoreConnection } from './store-connection.ts';
import { memoryBytes } from './tenant-queue.ts';

type TimerListener = (queue: TimerQueue, dueAt: number) => void;

/** The main side of `timers`. Copies what crosses to the thread: a caller's object may hold more. */
export class StoredTimers implements TimerStore {
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
        if (isSet) this.isSet({ tenant, source, type }, dueAt);
      },
    );
  }

  /** A timer has become durable. */
  isSet(queue: TimerQueue, dueAt: number): void {
    for (const listener of this.#listeners) listener(queue, dueAt);
  }

  clear({ tenant, source }: Owner, id: string): Promise<boolean> {
    return request<'timer_clear'>(this.#store, { kind: 'timer_clear', owner: { tenant, source }, id }, 0);
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
    { revision, dueAt }: StoredTimer,
    event: EventMessage,
    nextDueAt: number | null,
  ): Promise<boolean> {
    const copy = copiedEvent(event);
    const sequence = await request<'timer_fire'>(
      this.#store,
      { kind: 'timer_fire', owner: { tenant, source }, timer: { revision, dueAt }, event: copy, nextDueAt },
      memoryBytes(copy.json),
      (stored) => {
        if (stored !== null) this.#onEvent(tenant, copy, stored);
      },
    );
    return sequence !== null;
  }

  watch(listener: TimerListener): () => void {
    const heard: TimerListener = (queue, dueAt) => listener(queue, dueAt);
    this.#listeners.add(heard);
    return () => {
      this.#listeners.delete(heard);
    };
  }
}
