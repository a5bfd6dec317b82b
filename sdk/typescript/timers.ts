import { clear, list, set } from 'gtpack:plugin/timers@0.1.0';
import { ask, askFlag, member, toJson, whole, wrongAnswer } from './answer.ts';
import type { TypedDraft } from './bus.ts';

/** A draft whose id and instants the host makes of the timer and each firing. */
export type TimerDraft = Pick<TypedDraft, 'event_type' | 'payload' | 'metadata'> & {
  readonly id?: never;
  readonly timestamp?: never;
  readonly idempotency_key?: never;
};

interface TimerParts {
  /** 1 to 128 characters, the provider's own; setting it again replaces it. */
  readonly id: string;
  /** Milliseconds, at least 1,000: repeats it so often after the first time. */
  readonly every_ms?: number;
  readonly event: TimerDraft;
}

/** A timer to be set: when it is due first is said in one of two ways. */
export type Timer = TimerParts &
  (
    | {
        /** Milliseconds since the Unix epoch, UTC. */
        readonly at: number;
        readonly after_ms?: never;
      }
    | {
        /** Milliseconds from now. */
        readonly after_ms: number;
        readonly at?: never;
      }
  );

export interface TimerQuery {
  /** `next` of the page before; left out: the first page. */
  readonly after?: string;
  /** 1 to 100; left out: 100. */
  readonly limit?: number;
}

export interface TimerPage {
  readonly timers: readonly TimerListing[];
  readonly next: string | null;
}

/** A timer that is set. */
export interface TimerListing {
  readonly id: string;
  /** Milliseconds since the Unix epoch, UTC. */
  readonly due_at: number;
  readonly every_ms: number | null;
  readonly event_type: string;
}

/** Durable timers that emit an event when they are due. */
export const timers = {
  /**
   * Sets a timer, in place of one with the same id. Returns when it is due first, in milliseconds since the Unix epoch.
   * @throws ProviderProblem `timer_invalid`, `event_invalid`, `capability_denied`, and when there are too many
   */
  set(timer: Timer): number {
    const text = toJson(timer, 'timers.set');
    const dueAt = member(
      ask(() => set(text)),
      'due_at',
    );
    if (!Number.isSafeInteger(dueAt)) throw wrongAnswer('timers.set');
    return dueAt as number;
  },

  /** Takes a timer away. Returns whether there was such a one. @throws ProviderProblem */
  clear: (id: string): boolean =>
    askFlag('timers.clear', () => clear(whole(id, 'timer_invalid', 'timer.id'))),

  /**
   * A page of the provider's own timers. `next` of a page is `after` of the following one; null behind the last timer.
   * @throws ProviderProblem `timer_invalid`, `capability_denied`
   */
  list(query: TimerQuery = {}): TimerPage {
    const text = toJson(query, 'timers.list');
    const page = ask(() => list(text));
    if (!Array.isArray(member(page, 'timers'))) throw wrongAnswer('timers.list');
    return page as unknown as TimerPage;
  },
};
