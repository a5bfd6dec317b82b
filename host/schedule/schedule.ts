/**
 * Time. Siblings:
 *
 * - `calculator.ts` the instants of one plan; croner answers for the calendar, `zone.ts` for the clocks of a time zone
 * - `backlog.ts`    which instant of a schedule is next, by what was missed; `jitter.ts` how long after it the tick comes
 * - `instant-heap.ts` who is due next; `lines.ts` whose turn it is of those who are
 * - `tick-id.ts`    the id of a tick
 * - `clock.ts`      the time and the one timer, as tests replace them
 * - `scheduler.ts`  the loop of the schedules, `slot.ts` where one of them is; `ticking.ts` makes events of its ticks
 * - `guest-timers.ts` the loop of the timers that providers set; `bus/timer-event.ts` their events
 *
 * Invariants:
 *
 * - S1 a schedule is a list of instants that depends on its plan alone: hosts and restarts agree on it.
 * - S2 the same instant of the same schedule has the same tick id, so the bus takes it once (B4, B6).
 * - S3 no polling: one timer, whatever the number of schedules.
 * - S4 instants that came due while nobody looked are caught up with as the schedule says, within its window; what came
 *   due while the host looked waits its turn, in order. Where a schedule is, is stored in one step with its ticks.
 * - S5 a provider's timer fires once for an instant: its event is stored in one step with taking it away or moving it on,
 *   under an id made of tenant, provider, timer and instant.
 * - S6 what may not fire at present is left where it is, and the operator is told.
 */

export { timerEventId } from '../bus/timer-event.ts';
export { compilePlan, countInstants, type InstantPlan, PlanCompiler } from './calculator.ts';
export { type Clock, systemClock } from './clock.ts';
export { GuestTimers, type GuestTimersOptions } from './guest-timers.ts';
export { Scheduler, type SchedulerOptions, type Upcoming, upcomingOf } from './scheduler.ts';
export type { DueTick, ScheduleEntry, TickActions } from './slot.ts';
export { tickId } from './tick-id.ts';
