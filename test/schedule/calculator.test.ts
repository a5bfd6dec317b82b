import { describe, expect, test } from 'vitest';
import { compilePlan, nextInstant } from '../../host/schedule/schedule.ts';

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

  test('knows leap days, month ends and what never comes', () => {
    expect(instants('0 0 29 2 *', 'UTC', '2025-01-01T00:00:00Z', 2)).toEqual([
      '2028-02-29T00:00Z',
      '2032-02-29T00:00Z',
    ]);
    expect(instants('0 0 L * *', 'UTC', '2025-02-01T00:00:00Z', 2)).toEqual([
      '2025-02-28T00:00Z',
      '2025-03-31T00:00Z',
    ]);
    expect(nextInstant({ kind: 'cron', cron: '0 0 30 2 *', timezone: 'UTC' }, 0)).toBeNull();
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

describe('what is due', () => {
  const minutely = compilePlan({ kind: 'cron', cron: '* * * * *', timezone: 'UTC' });
  const at = Date.parse('2025-01-01T12:00:00Z');

  test('on time: the instant itself', () => {
    expect(minutely.due(at, at + 5)).toEqual({ latest: at, passedOver: 0, next: at + 60_000 });
  });
  test('late: the latest, and how many went by', () => {
    expect(minutely.due(at, at + 180_000)).toEqual({
      latest: at + 180_000,
      passedOver: 3,
      next: at + 240_000,
    });
  });
  test('a year late: the latest all the same, and a count that stops at 1,000', () => {
    const year = 365 * 86_400_000;
    expect(minutely.due(at, at + year + 7)).toEqual({
      latest: at + year,
      passedOver: 1000,
      next: at + year + 60_000,
    });
    expect(minutely.due(at, at + year).latest).toBe(at + year);
  });
  test('the last instant of all: none follows', () => {
    const once = compilePlan({ kind: 'interval', everyMs: 1000 });
    expect(once.due(1000, 9_500)).toEqual({ latest: 9000, passedOver: 8, next: 10_000 });
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
    ['an interval of nothing', { kind: 'interval', everyMs: 0 }],
    ['an interval backwards', { kind: 'interval', everyMs: -1 }],
    ['half a millisecond', { kind: 'interval', everyMs: 0.5 }],
    ['no number', { kind: 'interval', everyMs: Number.NaN }],
  ] as const)('%s', (_title, plan) => {
    expect(() => compilePlan(plan)).toThrow(expect.objectContaining({ code: 'timer_plan_invalid' }));
  });
});
