import { parseEventType, parseTenantId } from '../../host/event/names.ts';
import type { JobResult, Tick } from '../../host/sandbox/protocol.ts';
import { type DueTick, type ScheduleEntry, Scheduler } from '../../host/schedule/schedule.ts';
import { Ticking } from '../../host/schedule/ticking.ts';
import type { TimerPlan } from '../../host/written/schedule.ts';
import { HandClock } from './hand-clock.ts';
import { MemorySchedules } from './memory-schedules.ts';

export const demo = parseTenantId('demo');
const TICK = parseEventType('timer.tick');

export const cron = (text: string): TimerPlan => ({ kind: 'cron', cron: text, timezone: 'UTC' });
export const every = (seconds: number): TimerPlan => ({ kind: 'interval', everyMs: seconds * 1000 });

export const entry = (name: string, plan: TimerPlan, more: Partial<ScheduleEntry> = {}): ScheduleEntry => ({
  tenant: demo,
  schedule: `flow:${name}/0`,
  name,
  provider: 'events-timer',
  plan,
  catchUp: 'latest',
  catchUpWindowMs: 86_400_000,
  overlap: 'queue',
  jitterMs: 0,
  ...more,
});

/** Lets everything that is resolved go on. */
export const quiet = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
};

const eventOf = ({ id }: Tick): JobResult => ({
  kind: 'events',
  events: [{ id, type: TICK, json: JSON.stringify({ id }) }],
});

export interface TickerOptions {
  readonly store?: MemorySchedules;
  readonly clock?: HandClock;
  /** What the provider makes of a tick. */
  readonly provider?: (tick: Tick) => JobResult;
}

/** A scheduler on a clock that is moved by hand, with a provider and a store in memory. */
export async function startTicker(
  at: string,
  entries: readonly ScheduleEntry[],
  options: TickerOptions = {},
) {
  const { store = new MemorySchedules(), clock = new HandClock(at), provider = eventOf } = options;
  const ticks: Tick[] = [];
  const skipped: string[] = [];
  const lost: string[] = [];
  const delayed: string[] = [];
  const said = ({ entry: { name }, tick }: DueTick): string => `${name} ${timeOf(tick.scheduledAt)}`;
  const actions = new Ticking({
    store,
    cells: {
      submit: async (_tenant, job) => {
        if (job.kind !== 'tick') throw new Error(job.kind);
        ticks.push(job.tick);
        return provider(job.tick);
      },
    },
    onSkipped: (due) => skipped.push(said(due)),
    onLost: (due, reason) => lost.push(`${said(due)} ${reason}`),
    onDelayed: (due, reason) => delayed.push(`${said(due)} ${reason}`),
  });
  const scheduler = await Scheduler.start({ clock, store, actions }, entries);
  await quiet();
  return {
    ...{ scheduler, clock, store, ticks, skipped, lost, delayed },
    /** What became events, by name and time. */
    times: () =>
      store.events.map(({ schedule, at: instant }) => `${schedule.slice(5, -2)} ${timeOf(instant)}`),
    /** Moves on in steps, so that what is asynchronous keeps up. */
    runTo: async (instant: string, stepMs = 1000) => {
      for (let now = clock.now(); now < Date.parse(instant); ) {
        now = Math.min(Date.parse(instant), now + stepMs);
        clock.runTo(new Date(now).toISOString());
        await quiet();
      }
    },
    sleepTo: async (instant: string) => {
      clock.sleepTo(instant);
      await quiet();
    },
  };
}

export function timeOf(instant: number): string {
  return new Date(instant).toISOString().slice(11, 19);
}
