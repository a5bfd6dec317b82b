import type * as z from 'zod';
import { MIN_TIMER_INTERVAL_MS } from '../contract.ts';
import { count, duration, mapping } from '../written/readers.ts';
import { eventTypesShape, matchesEventType } from './event-types.ts';

const DEFAULT_MAX_TIMERS = 1000;
const DEFAULT_MIN_INTERVAL_MS = 1000;

/**
 * `timers` of a provider's grants, as people write it. Only `events` is needed.
 *
 *     timers:
 *       events: ["reminder.*"]   # types of the events that its timers emit; patterns as in bus.publish
 *       max: 1000                # timers that are set at a time; default 1000
 *       min_interval: 1s         # the shortest repetition; default 1s
 */
export const timersGrantShape = mapping({
  events: eventTypesShape,
  max: count(1, 100_000).optional(),
  min_interval: duration(MIN_TIMER_INTERVAL_MS, 86_400_000).optional(),
});

/** Which durable timers a provider may set. */
export interface TimersGrant {
  readonly events: readonly string[];
  /** Timers that are set at a time. */
  readonly maxTimers: number;
  readonly minIntervalMs: number;
}

export function parseTimersGrant(file: z.output<typeof timersGrantShape>): TimersGrant {
  return {
    events: file.events,
    maxTimers: file.max ?? DEFAULT_MAX_TIMERS,
    minIntervalMs: file.min_interval ?? DEFAULT_MIN_INTERVAL_MS,
  };
}

/** No grant allows nothing. */
export function allowsTimerEvent(grant: TimersGrant | null, type: string): boolean {
  return grant !== null && matchesEventType(grant.events, type);
}
