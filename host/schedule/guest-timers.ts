import { isParkedRuns, RESUME_EVENT } from '../bus/parked.ts';
import { timerEvent } from '../bus/timer-event.ts';
import type { StoredTimer, TimerQueue, TimerStore, WaitingTimers } from '../bus/timers.ts';
import { errorMessage } from '../errors.ts';
import { MAX_TIMESTAMP } from '../event/normalize.ts';
import { allowsTimerEvent, type TimersGrant } from '../grant/timers-grant.ts';
import { type Clock, MAX_SLEEP_MS } from './clock.ts';
import { InstantHeap } from './instant-heap.ts';

export interface GuestTimersOptions {
  readonly store: Pick<TimerStore, 'queues' | 'due' | 'fire' | 'watch'>;
  readonly clock: Clock;
  /** What the bundle grants a provider now; null where it is gone, or no longer granted timers. */
  readonly grantOf: (tenant: TimerQueue['tenant'], source: string) => TimersGrant | null;
  /** A new trace: 32 lower-case hex digits. */
  readonly newTraceId: () => string;
  /** Timers that the store holds and that may not fire (S6); told at the start. */
  readonly onHeld: (timers: WaitingTimers) => void;
  /** Timers of a queue could not be read or fired; they are tried again. */
  readonly onFault: (queue: TimerQueue, message: string) => void;
}

/** A queue that may fire: waiting in the heap, or being worked on. */
interface Slot {
  readonly queue: TimerQueue;
  readonly grant: TimersGrant;
  /** When its first timer is due, as far as known. While it is worked on: that of what was set meanwhile. */
  next: number;
  isWaiting: boolean;
}

/** Timers of one queue that are fired together; then the next queue has its turn. */
const TIMERS_A_TURN = 64;
/** Queues that are worked on at a time: bounds what is in memory to 16 times 64 events of 32 KiB. */
const MAX_QUEUES_AT_WORK = 16;
/** Of the host's own timers, which resume parked runs: also of tenants that another host serves. */
const PARKED_RUNS: TimersGrant = { events: [RESUME_EVENT], maxTimers: 0, minIntervalMs: 0 };
/** After a fault of the store. */
const RETRY_MS = 5000;

/** Fires the timers that providers have set, and those of parked runs, of all tenants, from one heap of queues and one timer (S3). */
export class GuestTimers {
  readonly #options: GuestTimersOptions;
  readonly #heap = new InstantHeap<Slot>();
  readonly #slots = new Map<string, Slot>();
  /** Queues with due timers, in the order of their turns. */
  readonly #ready: Slot[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #unwatch: () => void;
  #armed: { readonly at: number; readonly cancel: () => void } | undefined;
  #stopped = false;

  private constructor(options: GuestTimersOptions) {
    this.#options = options;
    this.#unwatch = options.store.watch((queue, dueAt) => this.#isSet(queue, dueAt));
  }

  /**
   * Starts with what the store holds; what came due while no host ran fires at once.
   * @throws GtpackError `bus_unavailable`
   */
  static async start(options: GuestTimersOptions): Promise<GuestTimers> {
    const timers = new GuestTimers(options);
    try {
      for (const waiting of await options.store.queues()) {
        const { tenant, source, type, nextDueAt } = waiting;
        if (!timers.#isSet({ tenant, source, type }, nextDueAt)) options.onHeld(waiting);
      }
    } catch (error) {
      await timers.stop();
      throw error;
    }
    return timers;
  }

  /** Fires nothing more; resolves when what was fired before is stored. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unwatch();
    this.#armed?.cancel();
    this.#armed = undefined;
    await Promise.all(this.#underWay);
  }

  /** @returns false for a queue that may not fire */
  #isSet(queue: TimerQueue, dueAt: number): boolean {
    const { tenant, source, type } = queue;
    // Neither of them holds a line feed.
    const key = `${tenant}\n${source}\n${type}`;
    const known = this.#slots.get(key);
    if (known === undefined) {
      const grant = isParkedRuns(queue) ? PARKED_RUNS : this.#options.grantOf(tenant, source);
      if (grant === null || !allowsTimerEvent(grant, type)) return false;
      const slot: Slot = { queue, grant, next: dueAt, isWaiting: true };
      this.#slots.set(key, slot);
      this.#heap.add(slot);
    } else if (dueAt < known.next) {
      known.next = dueAt;
      if (known.isWaiting) this.#heap.raise(known);
    }
    this.#arm();
    return true;
  }

  #arm(): void {
    const { top } = this.#heap;
    if (this.#stopped || top === undefined) return;
    const { clock } = this.#options;
    const now = clock.now();
    const at = now + Math.min(MAX_SLEEP_MS, Math.max(0, top.next - now));
    if (this.#armed !== undefined) {
      if (this.#armed.at <= at) return;
      this.#armed.cancel();
    }
    const cancel = clock.setTimer(() => {
      this.#armed = undefined;
      this.#wake();
    }, at - now);
    this.#armed = { at, cancel };
  }

  #wake(): void {
    const now = this.#options.clock.now();
    for (let slot = this.#heap.top; slot !== undefined && slot.next <= now; slot = this.#heap.top) {
      this.#heap.dropTop();
      this.#enlist(slot);
    }
    this.#arm();
    this.#work();
  }

  #enlist(slot: Slot): void {
    slot.isWaiting = false;
    slot.next = Number.POSITIVE_INFINITY;
    this.#ready.push(slot);
  }

  #work(): void {
    while (!this.#stopped && this.#underWay.size < MAX_QUEUES_AT_WORK) {
      const slot = this.#ready.shift();
      if (slot === undefined) return;
      const done = this.#turn(slot).finally(() => {
        this.#underWay.delete(done);
        this.#work();
      });
      this.#underWay.add(done);
    }
  }

  async #turn(slot: Slot): Promise<void> {
    const { store, clock, onFault } = this.#options;
    const { queue } = slot;
    let next: number | null;
    try {
      const now = clock.now();
      const due = await store.due(queue, now, TIMERS_A_TURN);
      // B7: a timer that does not fire now fires at the next start.
      if (this.#stopped) return;
      next = await this.#fire(slot, due.timers, now);
      if (due.nextDueAt !== null) next = Math.min(next, due.nextDueAt);
    } catch (error) {
      onFault(queue, errorMessage(error));
      next = clock.now() + RETRY_MS;
    }
    this.#settle(slot, next);
  }

  /** @returns when the first of them is due again */
  async #fire({ queue, grant }: Slot, timers: readonly StoredTimer[], now: number): Promise<number> {
    const { store, newTraceId } = this.#options;
    let next = Number.POSITIVE_INFINITY;
    const outcomes = await Promise.allSettled(
      timers.map((timer) => {
        const nextDueAt = instantAfter(timer, now, grant.minIntervalMs);
        if (nextDueAt !== null) next = Math.min(next, nextDueAt);
        return store.fire(queue, timer, timerEvent(queue, timer, newTraceId()), nextDueAt);
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return next;
  }

  /** Back to the heap, to the end of the line, or forgotten where nothing is left in it. */
  #settle(slot: Slot, next: number): void {
    const { tenant, source, type } = slot.queue;
    slot.next = Math.min(slot.next, next);
    if (slot.next === Number.POSITIVE_INFINITY) {
      this.#slots.delete(`${tenant}\n${source}\n${type}`);
    } else if (slot.next <= this.#options.clock.now()) {
      this.#enlist(slot);
    } else {
      slot.isWaiting = true;
      this.#heap.add(slot);
      this.#arm();
    }
  }
}

/**
 * The first instant of a repeating timer after now; null for one that has fired for the last time. Instants that were
 * missed are not made up for. A grant that was narrowed since holds for timers that were set before, too.
 */
function instantAfter({ dueAt, everyMs }: StoredTimer, now: number, minIntervalMs: number): number | null {
  if (everyMs === null) return null;
  const stepMs = Math.max(everyMs, minIntervalMs);
  const next = dueAt + stepMs * (Math.max(0, Math.floor((now - dueAt) / stepMs)) + 1);
  return next > MAX_TIMESTAMP ? null : next;
}
