import { describe, expect, onTestFinished, test } from 'vitest';
import { parseTenantId } from '../../host/event/names.ts';
import { tickId } from '../../host/schedule/schedule.ts';
import { HandClock } from './hand-clock.ts';
import { MemorySchedules } from './memory-schedules.ts';
import { cron, demo, entry, every, startTicker } from './ticker.ts';

async function start(...given: Parameters<typeof startTicker>) {
  const ticker = await startTicker(...given);
  onTestFinished(() => ticker.scheduler.stop());
  return ticker;
}

const other = parseTenantId('other');

describe('ticks', () => {
  test('come when they are due, each at its instant', async () => {
    const { runTo, times, ticks } = await start('2025-01-01T00:00:30Z', [
      entry('slow', every(120)),
      entry('quick', cron('* * * * *')),
    ]);
    await runTo('2025-01-01T00:03:10Z');
    expect(times().sort()).toEqual(['quick 00:01:00', 'quick 00:02:00', 'quick 00:03:00', 'slow 00:02:00']);
    const quick = ticks.filter(({ name }) => name === 'quick');
    expect(quick.map(({ missed }) => missed)).toEqual([0, 0, 0]);
    expect(quick.map(({ firedAt, scheduledAt }) => firedAt - scheduledAt)).toEqual([0, 0, 0]);
    expect(quick.map(({ lastRun }) => lastRun)).toEqual([
      null,
      Date.parse('2025-01-01T00:01:00Z'),
      Date.parse('2025-01-01T00:02:00Z'),
    ]);
  });

  test('S2: the same instant has the same id, and no other instant, schedule or tenant has it', async () => {
    const first = await start('2025-01-01T00:00:00Z', [entry('a', cron('* * * * *'))]);
    const second = await start('2025-01-01T00:00:59Z', [entry('a', cron('* * * * *'))]);
    await first.runTo('2025-01-01T00:01:00Z', 60_000);
    await second.sleepTo('2025-01-01T00:01:07Z');
    expect(first.ticks[0]?.id).toBe(second.ticks[0]?.id);
    const ids = [
      tickId(demo, 'flow:a/0', 1000),
      tickId(demo, 'flow:a/0', 2000),
      tickId(demo, 'flow:a/1', 1000),
      tickId(other, 'flow:a/0', 1000),
    ];
    expect(new Set(ids).size).toBe(4);
    expect(ids[0]).toMatch(/^tick-[0-9a-f]{32}$/);
  });

  test('S3: there is one timer, for the next instant of all, and none when nothing is scheduled', async () => {
    const { clock } = await start('2025-01-01T00:00:58Z', [
      entry('later', cron('0 9 * * *')),
      entry('soon', cron('* * * * *')),
    ]);
    expect([clock.timers, clock.delays]).toEqual([1, [2000]]);
    expect((await start('2025-01-01T00:00:00Z', [])).clock.timers).toBe(0);
  });

  test('of an instant years away come, though no timer waits that long', async () => {
    const { clock, sleepTo, times } = await start('2025-01-01T00:00:00Z', [
      entry('leap', cron('0 0 29 2 *')),
    ]);
    expect(Math.max(...clock.delays)).toBeLessThanOrEqual(10_000);
    await sleepTo('2028-02-29T00:00:05Z');
    expect(times()).toEqual(['leap 00:00:00']);
  });

  test('come once for an instant where clocks are set back', async () => {
    const { clock, runTo, sleepTo, times } = await start('2025-01-01T00:00:30Z', [
      entry('a', cron('* * * * *')),
    ]);
    await runTo('2025-01-01T00:01:00Z');
    await sleepTo('2025-01-01T00:00:10Z');
    expect(clock.timers).toBe(1);
    await runTo('2025-01-01T00:01:59Z');
    expect(times()).toEqual(['a 00:01:00']);
    await runTo('2025-01-01T00:02:00Z');
    expect(times()).toEqual(['a 00:01:00', 'a 00:02:00']);
  });

  test('100,000 of one minute are all fired, and a lone schedule of another tenant has its turn among them', async () => {
    const entries = Array.from({ length: 100_000 }, (_, index) => entry(`f${index}`, cron('* * * * *')));
    const lone = entry('lone', cron('* * * * *'), { tenant: other });
    const { clock, store } = await start('2025-01-01T00:00:30Z', [...entries, lone]);
    clock.runTo('2025-01-01T00:01:00Z');
    await expect.poll(() => store.events.length, { timeout: 20_000 }).toBe(100_001);
    expect(store.events.findIndex(({ tenant }) => tenant === other)).toBeLessThan(1000);
    expect(new Set(store.events.map(({ id }) => id)).size).toBe(100_001);
  });
});

describe('catch_up', () => {
  const hourly = (catchUp: 'none' | 'latest' | 'all', more = {}) =>
    entry('a', cron('0 * * * *'), { catchUp, ...more });

  /** Runs from 00:30 to 01:30, is away until 05:30, and runs until 06:10. */
  async function comeBack(catchUp: 'none' | 'latest' | 'all', how: 'restart' | 'sleep', more = {}) {
    const store = new MemorySchedules();
    const first = await start('2025-01-01T00:30:00Z', [hourly(catchUp, more)], { store });
    await first.runTo('2025-01-01T01:30:00Z', 60_000);
    if (how === 'sleep') {
      await first.sleepTo('2025-01-01T05:30:00Z');
      await first.runTo('2025-01-01T06:10:00Z', 60_000);
      return first;
    }
    await first.scheduler.stop();
    const second = await start('2025-01-01T05:30:00Z', [hourly(catchUp, more)], { store });
    await second.runTo('2025-01-01T06:10:00Z', 60_000);
    return second;
  }

  test.each(['restart', 'sleep'] as const)('none: what was missed does not come (%s)', async (how) => {
    const { times, ticks } = await comeBack('none', how);
    expect(times()).toEqual(['a 01:00:00', 'a 06:00:00']);
    expect(ticks.at(-1)).toMatchObject({ missed: 4, lastRun: Date.parse('2025-01-01T01:00:00Z') });
  });

  test.each(['restart', 'sleep'] as const)('latest: the last one comes, at once (%s)', async (how) => {
    const { times, ticks } = await comeBack('latest', how);
    expect(times()).toEqual(['a 01:00:00', 'a 05:00:00', 'a 06:00:00']);
    expect(ticks.at(-2)).toMatchObject({
      missed: 3,
      lastRun: Date.parse('2025-01-01T01:00:00Z'),
      scheduledAt: Date.parse('2025-01-01T05:00:00Z'),
    });
  });

  test.each(['restart', 'sleep'] as const)('all: each of them comes, in order (%s)', async (how) => {
    const { times, ticks } = await comeBack('all', how);
    expect(times()).toEqual([
      'a 01:00:00',
      'a 02:00:00',
      'a 03:00:00',
      'a 04:00:00',
      'a 05:00:00',
      'a 06:00:00',
    ]);
    expect(ticks.map(({ missed }) => missed).every((missed) => missed === 0)).toBe(true);
  });

  test('what is older than the window does not come', async () => {
    const window = { catchUpWindowMs: 2 * 3_600_000 };
    expect((await comeBack('all', 'restart', window)).times()).toEqual([
      'a 01:00:00',
      'a 04:00:00',
      'a 05:00:00',
      'a 06:00:00',
    ]);
    expect((await comeBack('latest', 'restart', { catchUpWindowMs: 60_000 })).times()).toEqual([
      'a 01:00:00',
      'a 06:00:00',
    ]);
  });

  test('a schedule that is new has missed nothing, and neither has one whose plan is another now', async () => {
    const store = new MemorySchedules();
    const first = await start('2025-01-01T00:30:00Z', [hourly('all')], { store });
    await first.scheduler.stop();
    const second = await start('2025-01-01T05:30:00Z', [entry('a', cron('15 * * * *'), { catchUp: 'all' })], {
      store,
    });
    await second.runTo('2025-01-01T06:20:00Z', 60_000);
    expect(second.times()).toEqual(['a 06:15:00']);
  });
});

describe('while the bus is away', () => {
  test('ticks wait, however long, and then all of them come', async () => {
    const { store, runTo, times, lost, delayed } = await start('2025-01-01T00:00:30Z', [
      entry('a', cron('*/5 * * * *'), { catchUp: 'none' }),
    ]);
    store.isAway = true;
    await runTo('2025-01-01T01:02:00Z');
    expect(times()).toEqual([]);
    store.isAway = false;
    await runTo('2025-01-01T01:03:00Z');
    expect(times()).toHaveLength(12);
    expect(lost).toEqual([]);
    expect(delayed).toEqual(['a 00:05:00 The bus is away.']);
  });

  test('it is asked less and less often', async () => {
    const { store, runTo } = await start('2025-01-01T00:00:30Z', [entry('a', cron('0 * * * *'))]);
    store.isAway = true;
    await runTo('2025-01-01T02:00:00Z');
    expect(store.attempts).toBeLessThan(140);
  });

  test.each([
    ['none', ['a 02:01:00']],
    ['latest', ['a 02:00:00', 'a 02:01:00']],
  ] as const)('of more than a hundred that wait, catch_up decides: %s', async (catchUp, expected) => {
    const { store, runTo, times } = await start('2025-01-01T00:00:30Z', [
      entry('a', cron('* * * * *'), { catchUp }),
    ]);
    store.isAway = true;
    await runTo('2025-01-01T02:00:45Z');
    store.isAway = false;
    await runTo('2025-01-01T02:01:20Z');
    expect(times()).toEqual(expected);
  });
});

describe('overlap', () => {
  test('queue: a tick comes when the one before it is worked off', async () => {
    const { store, runTo, times, ticks } = await start('2025-01-01T00:00:30Z', [
      entry('a', cron('* * * * *')),
    ]);
    store.settlesAtOnce = false;
    await runTo('2025-01-01T00:03:30Z');
    expect(times()).toEqual(['a 00:01:00']);
    store.settle(entry('a', every(1)));
    await runTo('2025-01-01T00:03:31Z');
    expect(times()).toEqual(['a 00:01:00', 'a 00:02:00']);
    store.settle(entry('a', every(1)));
    await runTo('2025-01-01T00:03:32Z');
    expect(times()).toEqual(['a 00:01:00', 'a 00:02:00', 'a 00:03:00']);
    expect(ticks.length).toBeLessThan(30);
  });

  test('queue: where nobody tells that it is worked off, that is found out', async () => {
    const { store, runTo, times } = await start('2025-01-01T00:00:30Z', [entry('a', cron('* * * * *'))]);
    store.settlesAtOnce = false;
    await runTo('2025-01-01T00:02:30Z');
    store.settle(entry('a', every(1)), false);
    await runTo('2025-01-01T00:02:45Z');
    expect(times()).toEqual(['a 00:01:00', 'a 00:02:00']);
  });

  test('skip: a tick that comes before the last one is worked off is passed over for good, and said', async () => {
    const { store, runTo, times, skipped, ticks } = await start('2025-01-01T00:00:30Z', [
      entry('a', cron('* * * * *'), { overlap: 'skip' }),
    ]);
    store.settlesAtOnce = false;
    await runTo('2025-01-01T00:03:30Z');
    expect(times()).toEqual(['a 00:01:00']);
    expect(skipped).toEqual(['a 00:02:00', 'a 00:03:00']);
    expect(store.passed).toHaveLength(2);
    store.settle(entry('a', every(1)));
    await runTo('2025-01-01T00:04:30Z');
    expect(times()).toEqual(['a 00:01:00', 'a 00:04:00']);
    expect(ticks.at(-1)?.missed).toBe(2);
  });
});

describe('jitter', () => {
  const spread = (name: string) => entry(name, cron('0 * * * *'), { jitterMs: 600_000 });

  test('ticks come within it, each host at the same moment, and say their exact instant', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `f${index}`);
    const delays: number[][] = [];
    for (const at of ['2025-01-01T00:30:00Z', '2025-01-01T00:59:00Z']) {
      const { runTo, ticks } = await start(at, names.map(spread));
      await runTo('2025-01-01T01:10:00Z');
      expect(ticks.every(({ scheduledAt }) => scheduledAt === Date.parse('2025-01-01T01:00:00Z'))).toBe(true);
      const byName = ticks.toSorted((a, b) => a.name.localeCompare(b.name));
      delays.push(byName.map(({ firedAt, scheduledAt }) => firedAt - scheduledAt));
    }
    expect(delays[0]).toHaveLength(20);
    expect(delays[0]).toEqual(delays[1]);
    expect(new Set(delays[0]).size).toBeGreaterThan(15);
    expect(Math.max(...(delays[0] ?? []))).toBeLessThan(600_000);
  });

  test('an instant whose tick was not due yet when the host ended was not missed', async () => {
    const store = new MemorySchedules();
    const patient = { ...spread('f1'), catchUp: 'none' } as const;
    const first = await start('2025-01-01T00:59:00Z', [patient], { store });
    await first.runTo('2025-01-01T01:00:00Z');
    expect(store.events).toEqual([]);
    await first.scheduler.stop();
    const second = await start('2025-01-01T01:00:01Z', [patient], { store });
    await second.runTo('2025-01-01T01:10:00Z');
    expect(second.times()).toEqual(['f1 01:00:00']);
  });

  test('is never longer than the time to the next instant, so that ticks keep their order', async () => {
    const { runTo, ticks } = await start('2025-01-01T00:00:00Z', [
      entry('a', every(10), { jitterMs: 600_000 }),
    ]);
    await runTo('2025-01-01T00:10:00Z');
    expect(ticks.length).toBeGreaterThan(55);
    for (const { firedAt, scheduledAt } of ticks) expect(firedAt - scheduledAt).toBeLessThan(10_000);
  });
});

describe('a provider', () => {
  test('that refuses a tick for good loses it, and the next one comes', async () => {
    const { runTo, lost, times, store } = await start(
      '2025-01-01T00:00:30Z',
      [entry('a', cron('* * * * *'))],
      {
        provider: ({ id, scheduledAt }) =>
          scheduledAt === Date.parse('2025-01-01T00:01:00Z')
            ? { kind: 'problem', problem: { code: 'no', message: 'Not this one.', retryable: false } }
            : { kind: 'events', events: [{ id, type: 'timer.a', json: '{}' }] },
      },
    );
    await runTo('2025-01-01T00:02:10Z');
    expect(times()).toEqual(['a 00:02:00']);
    expect(lost).toEqual(['a 00:01:00 The provider events-timer refused the tick: no: Not this one.']);
    expect(store.passed).toEqual([Date.parse('2025-01-01T00:01:00Z')]);
  });

  test('that asks to be asked again is, ten times in all', async () => {
    const { runTo, lost, ticks } = await start('2025-01-01T00:00:30Z', [entry('a', cron('0 * * * *'))], {
      provider: () => ({ kind: 'problem', problem: { code: 'busy', message: 'Later.', retryable: true } }),
    });
    await runTo('2025-01-01T01:30:00Z');
    expect(lost).toHaveLength(1);
    expect(ticks).toHaveLength(10);
  });

  test.each(['plugin_quarantined', 'cell_ended', 'cell_busy', 'host_stopping', 'bus_disk_full'])(
    'a tick that meets %s is not lost, however long that lasts',
    async (code) => {
      const clock = new HandClock('2025-01-01T00:00:30Z');
      const { runTo, lost, times } = await start('2025-01-01T00:00:30Z', [entry('a', cron('0 * * * *'))], {
        clock,
        provider: (tick) =>
          clock.now() < Date.parse('2025-01-01T01:40:00Z')
            ? { kind: 'error', code, message: 'Not at present.' }
            : { kind: 'events', events: [{ id: tick.id, type: 'timer.tick', json: '{}' }] },
      });
      await runTo('2025-01-01T01:45:00Z', 10_000);
      expect(lost).toEqual([]);
      expect(times()).toEqual(['a 01:00:00']);
    },
  );

  test('a tick whose cell is lost is tried again; one whose provider traps is lost, with the reason', async () => {
    let failures = 0;
    const { runTo, lost, times } = await start('2025-01-01T00:00:30Z', [entry('a', cron('0 * * * *'))], {
      provider: ({ id, scheduledAt }) => {
        failures += 1;
        if (failures === 1) return { kind: 'error', code: 'cell_lost', message: 'The cell is gone.' };
        if (scheduledAt > Date.parse('2025-01-01T01:00:00Z'))
          return { kind: 'error', code: 'guest_trap', message: 'It trapped.' };
        return { kind: 'events', events: [{ id, type: 'timer.tick', json: '{}' }] };
      },
    });
    await runTo('2025-01-01T02:05:00Z', 10_000);
    expect(times()).toEqual(['a 01:00:00']);
    expect(lost).toEqual([
      'a 02:00:00 The provider events-timer failed on the tick: guest_trap: It trapped.',
    ]);
  });

  test('that makes no event of a tick is not asked for it again', async () => {
    const { runTo, ticks, store } = await start('2025-01-01T00:00:30Z', [entry('a', cron('* * * * *'))], {
      provider: () => ({ kind: 'events', events: [] }),
    });
    await runTo('2025-01-01T00:02:10Z');
    expect(ticks).toHaveLength(2);
    expect(store.events).toEqual([]);
    expect(ticks[1]?.missed).toBe(1);
  });
});

test('B6 of two hosts on one store each instant is ticked for once', async () => {
  const store = new MemorySchedules();
  const clock = new HandClock('2025-01-01T00:00:30Z');
  const second = new HandClock('2025-01-01T00:00:30Z');
  const entries = [entry('a', cron('* * * * *')), entry('b', every(7))];
  const hosts = [
    await start('', entries, { store, clock }),
    await start('', entries, { store, clock: second }),
  ];
  for (let minute = 1; minute < 10; minute += 1)
    await Promise.all(hosts.map(({ runTo }) => runTo(`2025-01-01T00:0${minute}:59Z`)));
  const ids = store.events.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(store.events.filter(({ schedule }) => schedule === 'flow:a/0')).toHaveLength(9);
});

test('B7 stopped, it fires nothing more, holds no timer, and waits for what it had begun', async () => {
  const { scheduler, clock, store } = await start('2025-01-01T00:00:00Z', [entry('a', cron('* * * * *'))]);
  clock.runTo('2025-01-01T00:01:00Z');
  await scheduler.stop();
  expect(store.events).toHaveLength(1);
  clock.runTo('2025-01-01T01:00:00Z');
  expect([store.events.length, clock.timers, store.watchers]).toEqual([1, 0, 0]);
});

test('upcoming lists the next instants of each schedule', async () => {
  const { scheduler } = await start('2025-01-01T00:00:30Z', [
    entry('a', cron('* * * * *')),
    entry('b', every(3600)),
    entry('c', cron('* * * * *'), { tenant: other }),
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
    ['c', '00:01', '00:02'],
  ]);
  expect(scheduler.upcoming(1, other).map(({ entry: { name } }) => name)).toEqual(['c']);
});

test('a plan that can’t be used is refused before anything starts', async () => {
  const store = new MemorySchedules();
  const bad = startTicker('2025-01-01T00:00:00Z', [entry('good', every(1)), entry('bad', cron('nonsense'))], {
    store,
  });
  await expect(bad).rejects.toMatchObject({ code: 'timer_plan_invalid' });
  expect(store.watchers).toBe(0);
});
