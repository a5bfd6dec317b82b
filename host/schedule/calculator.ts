import { Cron } from 'croner';
import { errorMessage, GtpackError } from '../errors.ts';
import type { TimerPlan } from '../flow/flow.ts';

/** The instants of one plan (S1), in milliseconds since the Unix epoch. */
export interface InstantPlan {
  /** The first instant after `after`, or null when there is none. */
  next(after: number): number | null;
  /** What is due at `now`, given that `first`, an instant of this plan, has come. */
  due(first: number, now: number): DueInstants;
}

export interface DueInstants {
  /** The last instant that has come. */
  readonly latest: number;
  /** Instants from the first up to the latest, the latest not counted; counted up to 1,000. */
  readonly passedOver: number;
  /** The first instant that has not come yet, or null. */
  readonly next: number | null;
}

/** Counting costs 60 µs an instant: a second-by-second plan after a night asleep must not stop the host. */
const MAX_COUNTED = 1000;

/**
 * - An interval's instants are the multiples of its length since the epoch, so that every host finds the same ones.
 * - A cron plan's are those of its fields in its time zone. Where the clocks go forward, a fixed time that is skipped
 *   is due when the clocks have jumped; where they go back, a fixed time is due once, in the first pass. Times made by
 *   a wildcard or a step are skipped in the gap, and due in both passes.
 * @throws GtpackError `timer_plan_invalid`
 */
export function compilePlan(plan: TimerPlan): InstantPlan {
  return plan.kind === 'interval' ? intervalPlan(plan.everyMs) : cronPlan(plan.cron, plan.timezone);
}

/** The first instant of the plan after `after`, or null. @throws GtpackError `timer_plan_invalid` */
export function nextInstant(plan: TimerPlan, after: number): number | null {
  return compilePlan(plan).next(after);
}

function intervalPlan(everyMs: number): InstantPlan {
  if (!Number.isSafeInteger(everyMs) || everyMs <= 0) {
    throw new GtpackError(
      'timer_plan_invalid',
      `An interval is a whole number of milliseconds above 0; ${everyMs} came.`,
    );
  }
  const latest = (at: number): number => Math.floor(at / everyMs) * everyMs;
  return {
    next: (after) => latest(after) + everyMs,
    due: (first, now) => ({
      latest: latest(now),
      passedOver: Math.min(MAX_COUNTED, (latest(now) - first) / everyMs),
      next: latest(now) + everyMs,
    }),
  };
}

function cronPlan(fields: string, timezone: string): InstantPlan {
  const cron = readCron(fields, timezone);
  const search = (after: number): number | null => cron.nextRun(new Date(after))?.getTime() ?? null;
  // Schedules that share a plan ask the same question one after the other.
  let asked = Number.NaN;
  let answer: number | null = null;
  const next = (after: number): number | null => {
    if (after !== asked) [answer, asked] = [search(after), after];
    return answer;
  };
  return { next, due: (first, now) => dueOf(cron, next, first, now) };
}

function dueOf(cron: Cron, next: InstantPlan['next'], first: number, now: number): DueInstants {
  let latest = first;
  for (let passedOver = 0; passedOver < MAX_COUNTED; passedOver += 1) {
    const following = next(latest);
    if (following === null || following > now) return { latest, passedOver, next: following };
    latest = following;
  }
  // Before the millisecond after now: so that an instant that is now itself counts as come.
  const [run] = cron.previousRuns(1, new Date(now + 1));
  return { latest: run?.getTime() ?? latest, passedOver: MAX_COUNTED, next: next(now) };
}

function readCron(fields: string, timezone: string): Cron {
  try {
    const cron = new Cron(fields, {
      mode: '5-or-6-parts',
      timezone,
      // Lists and ranges of hours are fixed times too, as in the cron that people know.
      fixedTimeRule: 'no-wildcard',
      paused: true,
    });
    // A time zone is looked up only when a date is made in it.
    cron.nextRun(new Date(0));
    if (cron.getPattern() !== undefined) return cron;
  } catch (error) {
    throw new GtpackError(
      'timer_plan_invalid',
      `The cron expression ${JSON.stringify(fields)} in time zone ${JSON.stringify(timezone)} can't be used: ${errorMessage(error)}`,
      { cause: error },
    );
  }
  throw new GtpackError(
    'timer_plan_invalid',
    `A cron expression of 5 or 6 fields was expected; the date ${JSON.stringify(fields)} came.`,
  );
}
