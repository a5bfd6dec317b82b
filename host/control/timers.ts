import * as z from 'zod';
import { GtpackError } from '../errors.ts';

/** What commands see of schedules and timers, of a running host or of a bundle that none runs. */
export interface OperatorTimers {
  /** A page of schedules, in the order of the bundle, and with the first page the timers. */
  page(query: TimerQuery): Promise<TimerPage>;
}

export const MAX_NEXT = 100;
export const MAX_SCHEDULES_A_PAGE = 1000;

export const timerRequest = {
  op: z.literal('timers'),
  tenant: z.string().max(1000).optional(),
  next: z.int().min(1).max(MAX_NEXT),
  from: z.int().min(0),
} as const;

export interface TimerQuery {
  readonly tenant?: string | undefined;
  /** Instants of each schedule. */
  readonly next: number;
  /** Schedules before it are left out. */
  readonly from: number;
}

const scheduleShape = z.object({
  tenant: z.string(),
  schedule: z.string(),
  provider: z.string(),
  plan: z.string(),
  catch_up: z.string(),
  catch_up_window_ms: z.number(),
  overlap: z.string(),
  jitter_ms: z.number(),
  /** Milliseconds since the Unix epoch. */
  next: z.array(z.number()),
});
export type ScheduleLine = z.infer<typeof scheduleShape>;

const timerShape = z.object({
  tenant: z.string(),
  provider: z.string(),
  event_type: z.string(),
  count: z.number(),
  next: z.number(),
});
/** Timers that a provider has set, of one event type. */
export type TimerLine = z.infer<typeof timerShape>;

const pageShape = z.object({
  schedules: z.array(scheduleShape),
  timers: z.array(timerShape),
  /** Where the next page begins; null behind the last one. */
  more: z.number().nullable(),
});
export type TimerPage = z.infer<typeof pageShape>;

/** The host's, through a connection. */
export function remoteTimers(
  ask: (request: { readonly op: 'timers' } & TimerQuery) => Promise<unknown>,
): OperatorTimers {
  return {
    page: async (query) => {
      const parsed = pageShape.safeParse(await ask({ op: 'timers', ...query }));
      if (parsed.success) return parsed.data;
      throw new GtpackError('control_message_invalid', 'The host answered with no list of timers.');
    },
  };
}
