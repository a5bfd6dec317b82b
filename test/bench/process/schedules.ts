import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openEmbeddedBus } from '../../../host/bus/embedded/embedded.ts';
import type { ScheduleStore } from '../../../host/bus/schedules.ts';
import { parseTenantId } from '../../../host/event/names.ts';
import { systemClock } from '../../../host/schedule/clock.ts';
import { Scheduler } from '../../../host/schedule/scheduler.ts';
import type { ScheduleEntry, TickActions } from '../../../host/schedule/slot.ts';
import type { TimerPlan } from '../../../host/written/schedule.ts';
import { answerCalls } from '../child.ts';
import { quantile } from '../measure.ts';

const TENANTS = 1000;
/** How often the event loop's delay is looked at. */
const LOOK_MS = 5;
const ZONES = ['UTC', 'Europe/Zurich', 'America/New_York', 'Asia/Kolkata'];

export interface SchedulesSetup {
  readonly count: number;
  /**
   * - `seconds`: each on one second of every minute, in four zones
   * - `lengths`: intervals of as many lengths as there are schedules, from 10 s on
   * - `instant`: all on one instant, which comes every so many seconds
   */
  readonly spread: 'seconds' | 'lengths' | 'instant';
  /** A divisor of 60. */
  readonly instantSeconds: number;
  /** Of an embedded bus, for what is stored at the start; without it nothing is stored. */
  readonly busFile?: string;
}

export interface Started {
  readonly startMs: number;
  /** What the schedules hold, after a collection. */
  readonly heapMiB: number;
}

export interface Lateness {
  readonly ticks: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Percent. */
  readonly within20Ms: number;
  /** Of processor time, in all threads. */
  readonly cpuUsPerTick: number;
  /** By which the event loop came late to a timer of its own, at most. */
  readonly loopMaxMs: number;
}

let scheduler: Scheduler | undefined;
let closeBus: (() => Promise<void>) | undefined;
let late: number[] = [];

/** Nothing is stored: what is measured is the scheduler's own. */
const NO_STORE: Pick<ScheduleStore, 'begin' | 'watch'> = {
  begin: async (schedules, now) => schedules.map(() => ({ at: now, lastRun: null })),
  watch: () => () => undefined,
};

const actions: TickActions = {
  fire: async ({ tick: { id, scheduledAt } }) => {
    late.push(Date.now() - scheduledAt);
    // Worked off at once, as a duplicate is.
    return { kind: 'ticked', receipts: [{ id, duplicate: true }] };
  },
  pass: async () => undefined,
  onSkipped: () => undefined,
  onLost: () => undefined,
  onDelayed: () => undefined,
};

function planOf(index: number, { spread, instantSeconds }: SchedulesSetup): TimerPlan {
  if (spread === 'lengths') return { kind: 'interval', everyMs: 10_000 + index };
  const timezone = ZONES[index % ZONES.length] ?? 'UTC';
  const second = spread === 'instant' ? `*/${instantSeconds}` : String(index % 60);
  return { kind: 'cron', cron: `${second} * * * * *`, timezone };
}

function entriesOf(setup: SchedulesSetup): ScheduleEntry[] {
  return Array.from({ length: setup.count }, (_, index) => ({
    tenant: parseTenantId(`t${index % TENANTS}`),
    schedule: `flow:f${index}/0`,
    name: `f${index}`,
    provider: 'events-timer',
    plan: planOf(index, setup),
    ...{ catchUp: 'latest', catchUpWindowMs: 86_400_000, overlap: 'queue', jitterMs: 0 },
  }));
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const handlers = {
  async start(setup: SchedulesSetup): Promise<Started> {
    const entries = entriesOf(setup);
    const before = heapBytes();
    const bus = setup.busFile === undefined ? undefined : await openEmbeddedBus({ file: setup.busFile });
    closeBus = () => bus?.close() ?? Promise.resolve();
    const startedAt = performance.now();
    scheduler = await Scheduler.start(
      { clock: systemClock, store: bus?.schedules ?? NO_STORE, actions },
      entries,
    );
    const startMs = performance.now() - startedAt;
    return { startMs, heapMiB: (heapBytes() - before) / 1024 / 1024 };
  },

  /** @returns how late the ticks were whose instants came meanwhile */
  async watch(seconds: number): Promise<Lateness> {
    late = [];
    const loop = monitorEventLoopDelay({ resolution: LOOK_MS });
    loop.enable();
    const used = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const { user, system } = process.cpuUsage(used);
    loop.disable();
    const sorted = late.toSorted((a, b) => a - b);
    const within = sorted.filter((ms) => ms <= 20).length;
    return {
      ticks: sorted.length,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      maxMs: quantile(sorted, 1),
      within20Ms: (100 * within) / sorted.length,
      cpuUsPerTick: (user + system) / sorted.length,
      loopMaxMs: loop.max / 1e6 - LOOK_MS,
    };
  },
};

export type SchedulesProcess = typeof handlers;

answerCalls(handlers, async () => {
  await scheduler?.stop();
  await closeBus?.();
});
