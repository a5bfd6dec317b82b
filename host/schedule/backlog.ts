import type { CatchUp } from '../written/schedule.ts';
import { countInstants, type InstantPlan } from './calculator.ts';

/** What decides when a schedule's ticks come. */
export interface Timetable {
  readonly plan: InstantPlan;
  readonly catchUp: CatchUp;
  readonly catchUpWindowMs: number;
  /** How long after an instant its tick is due; the same on every host, and never past the next instant. */
  readonly delayOf: (instant: number) => number;
}

export interface Standing {
  /** The last instant that was ticked for or passed over. */
  readonly at: number;
  /** What was due up to here, and not ticked for, was missed: nobody looked, or too much was waiting. */
  readonly missedUntil: number;
}

/** What a schedule does next: tick for an instant, or wait until one is due, or nothing ever again. */
export type Move =
  | { readonly kind: 'tick'; readonly instant: number }
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'end' };

/**
 * Instants that came due while the host was looking wait for their turn, however long the bus is away. Of those that
 * were missed, `none` has no ticks; `latest` has one, for the last of them; `all` has one for each; and the latter two
 * pass over what is older than the window, counted back from when the schedule was looked at again.
 */
export function nextMove(timetable: Timetable, { at, missedUntil }: Standing, now: number): Move {
  const { plan, catchUp, catchUpWindowMs } = timetable;
  const first = plan.next(at);
  if (first === null) return { kind: 'end' };
  if (dueAt(timetable, first) > missedUntil) return moveOf(timetable, first, now);
  const last = lastMissed(timetable, first, missedUntil);
  const oldest = missedUntil - catchUpWindowMs;
  if (catchUp === 'latest' && last >= oldest) return moveOf(timetable, last, now);
  if (catchUp === 'all' && last >= oldest) {
    const instant = first >= oldest ? first : (plan.next(oldest - 1) ?? last);
    return moveOf(timetable, instant, now);
  }
  const next = plan.next(last);
  return next === null ? { kind: 'end' } : moveOf(timetable, next, now);
}

/** Whether more instants wait than may. */
export function isOverfull({ plan }: Timetable, { at }: Standing, now: number, most: number): boolean {
  return countInstants(plan, at, now, most + 1) > most;
}

function moveOf(timetable: Timetable, instant: number, now: number): Move {
  const due = dueAt(timetable, instant);
  return due <= now ? { kind: 'tick', instant } : { kind: 'wait', until: due };
}

function dueAt({ delayOf }: Timetable, instant: number): number {
  return instant + delayOf(instant);
}

/** Instants are due in their order, so the last one that was due is the last that came, or the one before it. */
function lastMissed(timetable: Timetable, first: number, missedUntil: number): number {
  const last = timetable.plan.latest(missedUntil) ?? first;
  if (dueAt(timetable, last) <= missedUntil) return last;
  return timetable.plan.latest(last - 1) ?? first;
}
