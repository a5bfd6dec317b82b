import { expect, test } from 'vitest';
import { parseTenantId } from '../../host/event/names.ts';
import type { TimerPlan } from '../../host/flow/flow.ts';
import { type DueTick, type ScheduleEntry, Scheduler, tickId } from '../../host/schedule/schedule.ts';
import { HandClock } from './hand-clock.ts';

const demo = parseTenantId('demo');
const cron = (text: string): TimerPlan => ({ kind: 'cron', cron: text, timezone: 'UTC' });
const entry = (name: string, plan: TimerPlan, tenant = demo): ScheduleEntry => ({
  tenant,
  schedule: `flow:${name}/0`,
  name,
  plan,
});

const byTime = (a: string, b: string): number => a.slice(-8).localeCompare(b.slice(-8)) || a.localeCompare(b);

function start(from: string, entries: readonly ScheduleEntry[]) {
  const clock = new HandClock(from);
  const fired: DueTick[] = [];
  const batches: number[] = [];
  const scheduler = new Scheduler({
    clock,
    onDue: (ticks) => {
      batches.push(ticks.length);
      fired.push(...ticks);
    },
  });
  scheduler.add(entries);
  const times = () =>
    fired.map(
      ({ entry: { name }, tick }) => `${name} ${new Date(tick.scheduledAt).toISOString().slice(11, 19)}`,
    );
  return { clock, fired, batches, scheduler, times };
}

test('ticks come when they are due, each at its instant', () => {
  const { clock, times, fired } = start('2025-01-01T00:00:30Z', [
    entry('slow', { kind: 'interval', everyMs: 120_000 }),
    entry('quick', cron('* * * * *')),
  ]);
  clock.runTo('2025-01-01T00:03:10Z');
  // Two that are due at once come in any order.
  expect(times().sort(byTime)).toEqual([
    'quick 00:01:00',
    'quick 00:02:00',
    'slow 00:02:00',
    'quick 00:03:00',
  ]);
  expect(fired.map(({ tick }) => tick.missed)).toEqual([0, 0, 0, 0]);
  expect(fired.map(({ tick }) => tick.firedAt - tick.scheduledAt)).toEqual([0, 0, 0, 0]);
  expect(fired.at(-1)?.tick.lastRun).toBe(Date.parse('2025-01-01T00:02:00Z'));
  expect(fired[0]?.tick.lastRun).toBeNull();
});

test('S2: the same instant has the same id, and no other instant, schedule or tenant has it', () => {
  const first = start('2025-01-01T00:00:00Z', [entry('a', cron('* * * * *'))]);
  const second = start('2025-01-01T00:00:59Z', [entry('a', cron('* * * * *'))]);
  first.clock.runTo('2025-01-01T00:01:00Z');
  second.clock.sleepTo('2025-01-01T00:01:07Z');
  expect(first.fired[0]?.tick.id).toBe(second.fired[0]?.tick.id);
  const other = parseTenantId('other');
  const ids = [
    tickId(demo, 'flow:a/0', 1000),
    tickId(demo, 'flow:a/0', 2000),
    tickId(demo, 'flow:a/1', 1000),
    tickId(other, 'flow:a/0', 1000),
  ];
  expect(new Set(ids).size).toBe(4);
  expect(ids[0]).toMatch(/^tick-[0-9a-f]{32}$/);
});

test('S3: there is one timer, for the next instant of all, and none when nothing is scheduled', () => {
  const { clock, scheduler } = start('2025-01-01T00:00:58Z', [
    entry('later', cron('0 9 * * *')),
    entry('soon', cron('* * * * *')),
  ]);
  expect([clock.timers, clock.delays]).toEqual([1, [2000]]);
  scheduler.add([entry('sooner', { kind: 'interval', everyMs: 1000 })]);
  expect([clock.timers, clock.delays]).toEqual([1, [2000, 1000]]);
  expect(start('2025-01-01T00:00:00Z', []).clock.timers).toBe(0);
});

test('S4: a machine that slept gets one tick for the latest instant, and the number that went by', () => {
  const { clock, times, fired } = start('2025-01-01T00:00:30Z', [
    entry('minutely', cron('* * * * *')),
    entry('five', { kind: 'interval', everyMs: 300_000 }),
    entry('daily', cron('0 9 * * *')),
  ]);
  clock.runTo('2025-01-01T00:01:00Z');
  clock.sleepTo('2025-01-01T08:00:30Z');
  expect(times()).toEqual(['minutely 00:01:00', 'minutely 08:00:00', 'five 08:00:00']);
  expect(fired.map(({ tick }) => tick.missed)).toEqual([0, 478, 95]);
  expect(fired[1]?.tick.lastRun).toBe(Date.parse('2025-01-01T00:01:00Z'));
  clock.runTo('2025-01-01T08:01:00Z');
  expect(times().at(-1)).toBe('minutely 08:01:00');
});

test('a schedule of years ahead is looked at often enough to survive a suspended clock', () => {
  const { clock, times } = start('2025-01-01T00:00:00Z', [entry('leap', cron('0 0 29 2 *'))]);
  expect(Math.max(...clock.delays)).toBeLessThanOrEqual(10_000);
  clock.sleepTo('2028-02-29T00:00:05Z');
  expect(times()).toEqual(['leap 00:00:00']);
});

test('clocks that are set back fire nothing twice', () => {
  const { clock, times } = start('2025-01-01T00:00:30Z', [entry('a', cron('* * * * *'))]);
  clock.runTo('2025-01-01T00:01:00Z');
  clock.sleepTo('2025-01-01T00:00:10Z');
  clock.runTo('2025-01-01T00:01:59Z');
  expect(times()).toEqual(['a 00:01:00']);
  clock.runTo('2025-01-01T00:02:00Z');
  expect(times()).toEqual(['a 00:01:00', 'a 00:02:00']);
});

test('a plan without a next instant is listed, and never fires', () => {
  const { clock, scheduler } = start('2025-01-01T00:00:00Z', [entry('never', cron('0 0 30 2 *'))]);
  expect(clock.timers).toBe(0);
  expect(scheduler.upcoming(3)).toMatchObject([{ entry: { name: 'never' }, instants: [] }]);
});

test('upcoming lists the next instants of each schedule', () => {
  const { scheduler } = start('2025-01-01T00:00:30Z', [
    entry('a', cron('* * * * *')),
    entry('b', { kind: 'interval', everyMs: 3_600_000 }),
  ]);
  const list = scheduler
    .upcoming(2)
    .map(({ entry: { name }, instants }) => [
      name,
      ...instants.map((instant) => new Date(instant).toISOString().slice(11, 16)),
    ]);
  expect(list).toEqual([
    ['a', '00:01', '00:02'],
    ['b', '01:00', '02:00'],
  ]);
});

test('stopped, it fires nothing more and holds no timer', () => {
  const { clock, scheduler, fired } = start('2025-01-01T00:00:00Z', [entry('a', cron('* * * * *'))]);
  scheduler.stop();
  clock.runTo('2025-01-01T01:00:00Z');
  scheduler.add([entry('b', cron('* * * * *'))]);
  expect([fired.length, clock.timers]).toEqual([0, 0]);
});

test('stopped by what it fires, it sets no new timer', () => {
  const clock = new HandClock('2025-01-01T00:00:00Z');
  const scheduler: Scheduler = new Scheduler({ clock, onDue: () => scheduler.stop() });
  scheduler.add([entry('a', cron('* * * * *'))]);
  clock.runTo('2025-01-01T00:01:00Z');
  expect(clock.timers).toBe(0);
});

test('a bad plan among good ones adds none of them', () => {
  const { clock, scheduler } = start('2025-01-01T00:00:00Z', []);
  expect(() => scheduler.add([entry('good', cron('* * * * *')), entry('bad', cron('nonsense'))])).toThrow(
    expect.objectContaining({ code: 'timer_plan_invalid' }),
  );
  expect([clock.timers, scheduler.upcoming(1)]).toEqual([0, []]);
});

test('100,000 schedules of one minute are all fired, in batches, by one timer', () => {
  const entries = Array.from({ length: 100_000 }, (_, index) =>
    entry(`f${index}`, cron(index % 2 === 0 ? '* * * * *' : '*/2 * * * *')),
  );
  const { clock, fired, batches } = start('2025-01-01T00:00:30Z', entries);
  clock.runTo('2025-01-01T00:01:30Z');
  expect(fired).toHaveLength(50_000);
  expect(Math.max(...batches)).toBe(1000);
  clock.runTo('2025-01-01T00:02:00Z');
  expect(new Set(fired.map(({ tick }) => tick.id)).size).toBe(150_000);
});
