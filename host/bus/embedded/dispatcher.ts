import type { TenantId } from '../../event/names.ts';
import type { ConsumeOptions, Delivery, EventMessage } from '../bus.ts';
import type { Scheduler } from './scheduler.ts';
import type { StoreConnection } from './store-connection.ts';
import { type HeldBytes, TenantQueue } from './tenant-queue.ts';

/** All tenants together; a tenant's own bound is in its queue. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
/** A pull that failed is made again after this. */
const PULL_RETRY_MS = 1000;
/** Retries due close together are looked for together. */
const MIN_ALARM_MS = 10;
/** The clock may jump: look again at least this often while anything waits. */
const MAX_ALARM_MS = 30_000;

/** Hands events to the consumers of all tenants: from memory, from disk, and retries when they are due. */
export class Dispatcher {
  readonly #store: StoreConnection;
  readonly #scheduler: Scheduler;
  readonly #queues = new Map<TenantId, TenantQueue>();
  readonly #lastSequence: number;
  readonly #held: HeldBytes = { total: 0, max: MAX_HELD_BYTES };
  readonly #awake = new Set<TenantQueue>();
  readonly #delayed = new Set<TenantQueue>();
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined;
  #closed = false;

  constructor(store: StoreConnection, scheduler: Scheduler) {
    this.#store = store;
    this.#scheduler = scheduler;
    this.#lastSequence = store.contents.lastSequence;
    for (const { tenant, pending, deadLetters } of store.contents.tenants)
      this.#queues.set(
        tenant,
        new TenantQueue(tenant, { pending, deadLetters }, this.#lastSequence, this.#held),
      );
  }

  get queues(): IterableIterator<TenantQueue> {
    return this.#queues.values();
  }

  queueOf(tenant: TenantId): TenantQueue {
    let queue = this.#queues.get(tenant);
    if (queue === undefined) {
      queue = new TenantQueue(tenant, { pending: 0, deadLetters: 0 }, this.#lastSequence, this.#held);
      this.#queues.set(tenant, queue);
    }
    return queue;
  }

  attach(queue: TenantQueue, consumer: ConsumeOptions): void {
    queue.attach(consumer);
    this.#wake(queue);
  }

  detach(queue: TenantQueue): void {
    queue.detach();
    this.#delayed.delete(queue);
  }

  /** An event has become durable. @param redelivered its runs may have journals */
  stored(tenant: TenantId, message: EventMessage, sequence: number, redelivered = false): void {
    const queue = this.queueOf(tenant);
    queue.stored(message, sequence, redelivered);
    this.#wake(queue);
  }

  /** Frees the delivery's place at once. @returns the function that takes it back */
  unlease(queue: TenantQueue, delivery: Delivery, isPutOff: boolean): () => void {
    const takeBack = queue.unlease(delivery, isPutOff);
    this.#wake(queue);
    return takeBack;
  }

  /** A delivery was put off. */
  delayed(queue: TenantQueue, availableAt: number): void {
    if (queue.consumer === undefined) return; // The next one looks for itself.
    queue.nextDue = Math.min(queue.nextDue, availableAt);
    this.#watch(queue);
  }

  close(): void {
    this.#closed = true;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    for (const queue of this.#queues.values()) queue.detach();
  }

  /** Deliveries are made in a turn of their own, so that a consumer may settle while it is called. */
  #wake(queue: TenantQueue): void {
    if (queue.consumer === undefined || this.#closed) return;
    if (this.#awake.size === 0) queueMicrotask(() => this.#pump());
    this.#awake.add(queue);
  }

  #pump(): void {
    const queues = [...this.#awake];
    this.#awake.clear();
    const now = this.#scheduler.now();
    for (const queue of queues) {
      const pull = queue.startPull(now);
      if (pull === undefined) {
        queue.deliver();
        continue;
      }
      const asker = queue.consumer;
      this.#store.submit<'pull'>(pull, 0, (answer) => {
        if (answer.ok) queue.pulled(asker, pull, answer.result);
        else queue.pullFailed(this.#scheduler.now() + PULL_RETRY_MS);
        this.#watch(queue);
        // The alarm makes a failed pull again: a store that has stopped refuses at once, and would be asked for ever.
        if (answer.ok) this.#wake(queue);
      });
    }
  }

  /** Sees to it that the alarm rings when the queue's nearest retry is due. */
  #watch(queue: TenantQueue): void {
    if (queue.consumer === undefined || this.#closed || queue.nextDue === Number.POSITIVE_INFINITY) {
      this.#delayed.delete(queue);
      return;
    }
    this.#delayed.add(queue);
    this.#setAlarm(queue.nextDue);
  }

  #setAlarm(due: number): void {
    const now = this.#scheduler.now();
    const at = now + Math.min(Math.max(due - now, MIN_ALARM_MS), MAX_ALARM_MS);
    if (this.#alarm !== undefined && this.#alarm.at <= at) return;
    this.#alarm?.cancel();
    this.#alarm = { at, cancel: this.#scheduler.after(at - now, () => this.#ring()) };
  }

  #ring(): void {
    this.#alarm = undefined;
    const now = this.#scheduler.now();
    let next = Number.POSITIVE_INFINITY;
    for (const queue of this.#delayed) {
      if (queue.nextDue <= now) this.#wake(queue);
      else next = Math.min(next, queue.nextDue);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#setAlarm(next);
  }
}
