import type { WaitingTimers } from '../bus/timers.ts';
import {
  MAX_SCHEDULES_A_PAGE,
  type OperatorTimers,
  type ScheduleLine,
  type TimerLine,
} from '../control/timers.ts';
import { PlanCompiler, type ScheduleEntry, type Upcoming, upcomingOf } from '../schedule/schedule.ts';
import { planText } from '../written/schedule.ts';

export interface TimerSource {
  readonly schedules: readonly ScheduleEntry[];
  /** What providers have set. @throws GtpackError `bus_unavailable` */
  readonly timers: () => Promise<readonly WaitingTimers[]>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** Lists schedules with their next instants, and counts the timers that providers have set. */
export function operatorTimers({ schedules, timers, now }: TimerSource): OperatorTimers {
  const plans = new PlanCompiler();
  return {
    page: async ({ tenant, next, from }) => {
      const own = <T extends { readonly tenant: string }>(all: readonly T[]): readonly T[] =>
        tenant === undefined ? all : all.filter((each) => each.tenant === tenant);
      const entries = own(schedules);
      const to = from + MAX_SCHEDULES_A_PAGE;
      return {
        schedules: upcomingOf(entries.slice(from, to), plans, now(), next).map(scheduleLine),
        timers: from === 0 ? own(await timers()).map(timerLine) : [],
        more: to < entries.length ? to : null,
      };
    },
  };
}

function scheduleLine({ entry, instants }: Upcoming): ScheduleLine {
  const { tenant, schedule, provider, plan, catchUp, catchUpWindowMs, overlap, jitterMs } = entry;
  return {
    tenant,
    schedule,
    provider,
    plan: planText(plan),
    catch_up: catchUp,
    catch_up_window_ms: catchUpWindowMs,
    overlap,
    jitter_ms: jitterMs,
    next: [...instants],
  };
}

function timerLine({ tenant, source, type, count, nextDueAt }: WaitingTimers): TimerLine {
  return { tenant, provider: source, event_type: type, count, next: nextDueAt };
}
