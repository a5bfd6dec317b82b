import { errorMessage, GtpackError } from '../errors.ts';
import { type CronCalendar, readCron } from '../written/cron.ts';
import type { TimerPlan } from '../written/schedule.ts';
import { type Stretch, Zone } from './zone.ts';

/** The instants of one plan (S1), in milliseconds since the Unix epoch. */
export interface InstantPlan {
  /** The first instant after `after`, or null when there is none. */
  next(after: number): number | null;
  /** The last instant that is not after `at`, or null when there is none. */
  latest(at: number): number | null;
}

/** Makes plans of texts. Schedules that share a plan share its instants, and plans of one zone its clocks. */
export class PlanCompiler {
  readonly #plans = new Map<string, InstantPlan>();
  readonly #zones = new Map<string, Zone>();

  /**
   * - An interval's instants are the multiples of its length since the epoch, so that every host finds the same ones.
   * - A cron plan's are those of its fields in its zone. A time that the clocks skip is due when they have jumped, unless
   *   its hour is a wildcard: then the hour that follows has its own. Where the clocks go back, a fixed hour is due once,
   *   in the first pass; wildcards and steps of hours are due in both.
   * @throws GtpackError `timer_plan_invalid`
   */
  compile(plan: TimerPlan): InstantPlan {
    const key = planKey(plan);
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const compiled = remembered(plan.kind === 'interval' ? intervalPlan(plan.everyMs) : this.#cronPlan(plan));
    this.#plans.set(key, compiled);
    return compiled;
  }

  #cronPlan({ cron, timezone }: Extract<TimerPlan, { kind: 'cron' }>): InstantPlan {
    try {
      const calendar = readCron(cron);
      const zone = this.#zones.get(timezone) ?? new Zone(timezone);
      this.#zones.set(timezone, zone);
      return zonedPlan(calendar, zone);
    } catch (error) {
      throw new GtpackError(
        'timer_plan_invalid',
        `The cron expression ${JSON.stringify(cron)} in time zone ${JSON.stringify(timezone)} can't be used: ${errorMessage(error)}.`,
        { cause: error },
      );
    }
  }
}

/** One plan on its own. @throws GtpackError `timer_plan_invalid` */
export function compilePlan(plan: TimerPlan): InstantPlan {
  return new PlanCompiler().compile(plan);
}

/** A text that plans of the same instants share. */
export function planKey(plan: TimerPlan): string {
  return plan.kind === 'cron' ? `${plan.cron} ${plan.timezone}` : `every ${plan.everyMs} ms`;
}

/** How many instants there are after `after` and up to `upTo`; at most `limit` are counted. */
export function countInstants(plan: InstantPlan, after: number, upTo: number, limit: number): number {
  let count = 0;
  for (let at = plan.next(after); at !== null && at <= upTo && count < limit; at = plan.next(at)) count += 1;
  return count;
}

function intervalPlan(everyMs: number): InstantPlan {
  if (!Number.isSafeInteger(everyMs) || everyMs <= 0) {
    throw new GtpackError(
      'timer_plan_invalid',
      `An interval is a whole number of milliseconds above 0; ${everyMs} came.`,
    );
  }
  const latest = (at: number): number => Math.floor(at / everyMs) * everyMs;
  return { next: (after) => latest(after) + everyMs, latest };
}

/** Schedules that share a plan ask the same question one after the other. */
function remembered({ next, latest }: InstantPlan): InstantPlan {
  let asked = Number.NaN;
  let answer: number | null = null;
  return {
    next: (after) => {
      if (after !== asked) [answer, asked] = [next(after), after];
      return answer;
    },
    latest,
  };
}

function zonedPlan(calendar: CronCalendar, zone: Zone): InstantPlan {
  return {
    next: (after) => nextIn(calendar, zone, after),
    latest: (at) => latestIn(calendar, zone, at),
  };
}

function nextIn(calendar: CronCalendar, zone: Zone, after: number): number | null {
  let stretch = zone.at(after);
  let local = calendar.first(Math.max(after + 1 + stretch.offset, firstLocal(calendar, stretch)));
  while (local !== null && local - stretch.offset >= stretch.end) {
    // Here `local` is the first time that the clocks of this stretch would have shown past its end.
    stretch = zone.at(stretch.end);
    const isSkipped = local < stretch.start + stretch.offset;
    if (isSkipped && calendar.hours !== 'every') return stretch.start;
    if (isSkipped || stretch.offset < stretch.before) local = calendar.first(firstLocal(calendar, stretch));
  }
  return local === null ? null : local - stretch.offset;
}

function latestIn(calendar: CronCalendar, zone: Zone, at: number): number | null {
  let stretch = zone.at(at);
  let local = calendar.last(at + stretch.offset);
  while (local !== null && local < firstLocal(calendar, stretch)) {
    const shown = stretch.start + stretch.before;
    const isSkipped = local >= shown && local < stretch.start + stretch.offset;
    if (isSkipped && calendar.hours !== 'every') return stretch.start;
    stretch = zone.at(stretch.start - 1);
    local = calendar.last(shown - 1);
  }
  return local === null ? null : local - stretch.offset;
}

/** The first local time of a stretch that counts: a fixed hour does not where the stretch before has shown it. */
function firstLocal({ hours }: CronCalendar, { start, offset, before }: Stretch): number {
  return start + (hours === 'fixed' ? Math.max(offset, before) : offset);
}
