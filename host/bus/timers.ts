import type { EventType } from '../event/names.ts';
import type { EventMessage } from './bus.ts';
import type { Owner } from './owner.ts';

/**
 * Durable timers of providers. They lie in queues, one for each owner and event type, so that one owner's thousands
 * delay no other's, and what may not fire at present is left where it is.
 */
export interface TimerStore {
  /**
   * Sets a timer in place of the one with its id; resolves when it is durable (B1).
   * @returns false, and nothing was stored, where it would be one more than `maxTimers`
   * @throws GtpackError `bus_unavailable`
   */
  set(owner: Owner, timer: Timer, maxTimers: number): Promise<boolean>;

  /** @returns whether there was such a timer @throws GtpackError `bus_unavailable` */
  clear(owner: Owner, id: string): Promise<boolean>;

  /** @throws GtpackError `bus_unavailable` */
  get(owner: Owner, id: string): Promise<StoredTimer | null>;

  /**
   * An owner's timers, at most `limit`. One that is set, moved or taken away between two pages may be on none or on both.
   * @param after `next` of the page before; null for the first
   * @throws GtpackError `timer_invalid` for an `after` that no page gave, `bus_unavailable`
   */
  list(owner: Owner, after: string | null, limit: number): Promise<TimerPage>;

  /** Every queue that holds a timer. Reads through all timers: for the start. @throws GtpackError `bus_unavailable` */
  queues(): Promise<readonly WaitingTimers[]>;

  /** The first timers of a queue that are due at `now`, at most `limit`. @throws GtpackError `bus_unavailable` */
  due(queue: TimerQueue, now: number, limit: number): Promise<DueTimers>;

  /**
   * Publishes a timer's event, and takes the timer away or moves it on, in one step: both or neither.
   * @param nextDueAt when it is due again, or null where it was the last time
   * @returns false, and nothing happened, where the timer is not the one any more that was read
   * @throws GtpackError `bus_unavailable`
   */
  fire(owner: Owner, timer: StoredTimer, event: EventMessage, nextDueAt: number | null): Promise<boolean>;

  /** Hears of every timer that is set, once it is durable. @returns the function that stops it */
  watch(listener: (queue: TimerQueue, dueAt: number) => void): () => void;
}

export interface TimerQueue extends Owner {
  readonly type: EventType;
}

export interface WaitingTimers extends TimerQueue {
  readonly count: number;
  readonly nextDueAt: number;
}

/** Instants are milliseconds since the Unix epoch. */
export interface Timer {
  /** Unique in its owner. */
  readonly id: string;
  readonly dueAt: number;
  /** The length of its repetition; null for a timer that fires once. */
  readonly everyMs: number | null;
  readonly type: EventType;
  /** The payload of its event, and what of the event's metadata is known ahead, as JSON texts; never parsed here. */
  readonly payload: string;
  readonly metadata: string;
}

export interface TimerPage {
  readonly timers: readonly ListedTimer[];
  /** Where the next page begins; null behind the last timer. */
  readonly next: string | null;
}

/** A timer without what its event will hold. */
export type ListedTimer = Pick<Timer, 'id' | 'dueAt' | 'everyMs' | 'type'>;

/** A timer as it was read. */
export interface StoredTimer extends Timer {
  /** Another one each time the timer is set, and never given again. */
  readonly revision: number;
}

export interface DueTimers {
  readonly timers: readonly StoredTimer[];
  /** When the first timer that is not among them is due; null without one. */
  readonly nextDueAt: number | null;
}
