import { describe, expect, test } from 'vitest';
import { compilePlan, countInstants } from '../../host/schedule/schedule.ts';

const instants = (cron: string, timezone: string, from: string, count: number): string[] => {
  const plan = compilePlan({ kind: 'cron', cron, timezone });
  const found: string[] = [];
  let instant = plan.next(Date.parse(from));
  while (instant !== null && found.length < count) {
    found.push(new Date(instant).toISOString().replace(':00.000Z', 'Z'));
    instant = plan.next(instant);
  }
  return found;
};

describe('a cron plan', () => {
  test('has the instants of its fields in its zone', () => {
    expect(instants('0 9 * * *', 'America/New_York', '2025-01-15T00:00:00Z', 2)).toEqual([
      '2025-01-15T14:00Z',
      '2025-01-16T14:00Z',
    ]);
    expect(instants('0 9 * * *', 'America/New_York', '2025-07-15T00:00:00Z', 1)).toEqual([
      '2025-07-15T13:00Z',
    ]);
    expect(instants('0 12 * * *', 'Asia/Kathmandu', '2025-01-15T00:00:00Z', 1)).toEqual([
      '2025-01-15T06:15Z',
    ]);
  });

  test('comes after the instant that is asked for, never at it, and milliseconds don’t hide one', () => {
    expect(instants('* * * * *', 'UTC', '2025-01-01T12:00:00.000Z', 1)).toEqual(['2025-01-01T12:01Z']);
    expect(instants('* * * * *', 'UTC', '2025-01-01T11:59:59.999Z', 1)).toEqual(['2025-01-01T12:00Z']);
    expect(instants('* * * * *', 'UTC', '2025-01-01T12:00:00.001Z', 1)).toEqual(['2025-01-01T12:01Z']);
  });

  test('may have seconds', () => {
    const plan = compilePlan({ kind: 'cron', cron: '*/20 * * * * *', timezone: 'UTC' });
    expect(plan.next(1_000)).toBe(20_000);
    expect(plan.next(20_000)).toBe(40_000);
  });

  test('knows leap days and month ends', () => {
    expect(instants('0 0 29 2 *', 'UTC', '2025-01-01T00:00:00Z', 2)).toEqual([
      '2028-02-29T00:00Z',
      '2032-02-29T00:00Z',
    ]);
    expect(instants('0 0 L * *', 'UTC', '2025-02-01T00:00:00Z', 2)).toEqual([
      '2025-02-28T00:00Z',
      '2025-03-31T00:00Z',
    ]);
  });
});

describe('where the clocks go forward', () => {
  const eve = '2025-03-29T12:00:00Z';
  test('a fixed time that is skipped is due when they have jumped', () => {
    expect(instants('30 2 * * *', 'Europe/Berlin', eve, 2)).toEqual([
      '2025-03-30T01:00Z',
      '2025-03-31T00:30Z',
    ]);
  });
  test('a list of skipped times is due once', () => {
    expect(instants('0,20,40 2 * * *', 'Europe/Berlin', eve, 2)).toEqual([
      '2025-03-30T01:00Z',
      '2025-03-31T00:00Z',
    ]);
  });
  test('a step of hours that is skipped is due when they have jumped', () => {
    expect(instants('30 */2 * * *', 'Europe/Berlin', '2025-03-29T23:45:00Z', 2)).toEqual([
      '2025-03-30T01:00Z',
      '2025-03-30T02:30Z',
    ]);
  });
  test('a day that is skipped whole is due when it is over', () => {
    expect(instants('0 9 30 12 *', 'Pacific/Apia', '2011-12-01T00:00:00Z', 1)).toEqual(['2011-12-30T10:00Z']);
  });
  test('an hourly time goes on hour by hour', () => {
    expect(instants('30 * * * *', 'Europe/Berlin', '2025-03-30T00:00:00Z', 3)).toEqual([
      '2025-03-30T00:30Z',
      '2025-03-30T01:30Z',
      '2025-03-30T02:30Z',
    ]);
  });
});

describe('where an hour repeats', () => {
  const eve = '2025-10-25T12:00:00Z';
  test('a fixed hour is due once', () => {
    expect(instants('30 2 * * *', 'Europe/Berlin', eve, 2)).toEqual([
      '2025-10-26T00:30Z',
      '2025-10-27T01:30Z',
    ]);
    expect(instants('30 1-3 * * *', 'Europe/Berlin', '2025-10-25T22:00:00Z', 3)).toEqual([
      '2025-10-25T23:30Z',
      '2025-10-26T00:30Z',
      '2025-10-26T02:30Z',
    ]);
  });
  test('a fixed hour is due once, whatever its minutes are made of', () => {
    expect(instants('*/20 2 * * *', 'Europe/Berlin', eve, 4)).toEqual([
      '2025-10-26T00:00Z',
      '2025-10-26T00:20Z',
      '2025-10-26T00:40Z',
      '2025-10-27T01:00Z',
    ]);
  });
  test('a half hour that repeats is as an hour', () => {
    expect(instants('45 1 * * *', 'Australia/Lord_Howe', '2025-04-05T00:00:00Z', 2)).toEqual([
      '2025-04-05T14:45Z',
      '2025-04-06T15:15Z',
    ]);
    expect(instants('45 * * * *', 'Australia/Lord_Howe', '2025-04-05T14:00:00Z', 3)).toEqual([
      '2025-04-05T14:45Z',
      '2025-04-05T15:15Z',
      '2025-04-05T16:15Z',
    ]);
  });
  test('a wildcard hour is due in both passes', () => {
    expect(instants('30 * * * *', 'Europe/Berlin', '2025-10-26T00:00:00Z', 3)).toEqual([
      '2025-10-26T00:30Z',
      '2025-10-26T01:30Z',
      '2025-10-26T02:30Z',
    ]);
  });
  test('a step hour is due in both passes', () => {
    expect(instants('30 */2 * * *', 'Europe/Berlin', '2025-10-25T23:00:00Z', 3)).toEqual([
      '2025-10-26T00:30Z',
      '2025-10-26T01:30Z',
      '2025-10-26T03:30Z',
    ]);
  });
});

describe('looking back', () => {
  const minutely = compilePlan({ kind: 'cron', cron: '* * * * *', timezone: 'UTC' });
  const at = Date.parse('2025-01-01T12:00:00Z');

  test('the latest instant is the one that is asked for, or the last before it', () => {
    expect(minutely.latest(at)).toBe(at);
    expect(minutely.latest(at + 59_999)).toBe(at);
    expect(minutely.latest(at - 1)).toBe(at - 60_000);
    expect(compilePlan({ kind: 'interval', everyMs: 7000 }).latest(20_999)).toBe(14_000);
  });
  test('instants are counted after the one and up to the other, as far as is asked for', () => {
    expect(countInstants(minutely, at, at + 180_000, 1000)).toBe(3);
    expect(countInstants(minutely, at, at, 1000)).toBe(0);
    expect(countInstants(minutely, at, at + 365 * 86_400_000, 1000)).toBe(1000);
  });
});

describe('an interval', () => {
  test('S1: has the multiples of its length, whenever the host started', () => {
    const plan = compilePlan({ kind: 'interval', everyMs: 300_000 });
    expect(plan.next(1)).toBe(300_000);
    expect(plan.next(299_999)).toBe(300_000);
    expect(plan.next(300_000)).toBe(600_000);
  });
});

describe('a plan that can’t be used is refused', () => {
  test.each([
    ['minute 61', { kind: 'cron', cron: '61 * * * *', timezone: 'UTC' }],
    ['four fields', { kind: 'cron', cron: '* * * *', timezone: 'UTC' }],
    ['seven fields', { kind: 'cron', cron: '* * * * * * *', timezone: 'UTC' }],
    ['words', { kind: 'cron', cron: 'every day at noon please', timezone: 'UTC' }],
    ['nothing', { kind: 'cron', cron: '', timezone: 'UTC' }],
    ['a date', { kind: 'cron', cron: '2030-01-01T00:00:00Z', timezone: 'UTC' }],
    ['an unknown zone', { kind: 'cron', cron: '* * * * *', timezone: 'Mars/Olympus' }],
    ['a day that no month has', { kind: 'cron', cron: '0 0 30 2 *', timezone: 'UTC' }],
    ['an interval of nothing', { kind: 'interval', everyMs: 0 }],
    ['an interval backwards', { kind: 'interval', everyMs: -1 }],
    ['half a millisecond', { kind: 'interval', everyMs: 0.5 }],
    ['no number', { kind: 'interval', everyMs: Number.NaN }],
  ] as const)('%s', (_title, plan) => {
    expect(() => compilePlan(plan)).toThrow(expect.objectContaining({ code: 'timer_plan_invalid' }));
  });
});
