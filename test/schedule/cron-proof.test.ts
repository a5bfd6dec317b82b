import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePlan, type InstantPlan } from '../../host/schedule/schedule.ts';
import { ShownTime, walk } from './local-walk.ts';

/**
 * `CRON_PROOF=full` goes through all of the 20 years in every zone, for every pattern; without it, through the days
 * around every change of the clocks and a sample of the others.
 */
const isFull = process.env.CRON_PROOF === 'full';

const DAY = 86_400_000;
const FROM = Date.UTC(2008, 0, 1);
const TO = Date.UTC(2028, 0, 1);

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  // Ahead by a half hour, a quarter, and a half hour with a half hour of summer time.
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  // Clocks that change at midnight; that go two hours at once; that skipped a whole day.
  'America/Sao_Paulo',
  'Antarctica/Troll',
  'Pacific/Apia',
  // Changed their rules: by a half hour and back; for good; every year by the moon.
  'America/Caracas',
  'Europe/Istanbul',
  'Africa/Casablanca',
];

const PATTERNS = [
  '0 9 * * *',
  '30 2 * * *',
  '*/20 2 * * *',
  '15,45 0-3 * * *',
  '30 */2 * * *',
  '7 1-23/3 * * *',
  '30 * * * *',
  '*/15 0,1,2,* * * *',
  '0 0 L * *',
  '0 0 29 2 *',
  '59 23 31 12 *',
  '10 1 1,15 * 1-5',
  '0 3 * 3,10,11 0',
  '45 1 1-7 4,10 *',
];

function chain(plan: InstantPlan, from: number, to: number): number[] {
  const instants: number[] = [];
  for (let at = plan.next(from - 1); at !== null && at < to; at = plan.next(at)) instants.push(at);
  return instants;
}

function chainBack(plan: InstantPlan, from: number, to: number): number[] {
  const instants: number[] = [];
  for (let at = plan.latest(to - 1); at !== null && at >= from; at = plan.latest(at - 1)) instants.push(at);
  return instants.reverse();
}

const iso = (instants: readonly number[]): string[] => instants.map((at) => new Date(at).toISOString());

function compare(cron: string, timezone: string, shown: ShownTime, from: number, to: number): void {
  const expected = iso(walk(cron, shown, from, to));
  const plan = compilePlan({ kind: 'cron', cron, timezone });
  expect(iso(chain(plan, from, to)), `${cron} in ${timezone}`).toEqual(expected);
  expect(iso(chainBack(plan, from, to)), `${cron} in ${timezone}, backwards`).toEqual(expected);
}

test.each(ZONES)(
  'over 20 years in %s, cron plans have the instants of an independent walk over local times',
  (zone) => {
    const shown = new ShownTime(zone, FROM - 3 * DAY, TO + 3 * DAY);
    if (isFull) {
      for (const cron of PATTERNS) compare(cron, zone, shown, FROM, TO);
      return;
    }
    for (const { at } of shown.changes.slice(1))
      for (const cron of PATTERNS) compare(cron, zone, shown, at - DAY, at + 2 * DAY);
  },
  isFull ? 3_600_000 : 20_000,
);

const value = (least: number, most: number) => fc.integer({ min: least, max: most });

/** A field of numbers, lists, ranges and steps. */
function field(least: number, most: number): fc.Arbitrary<string> {
  const range = fc
    .tuple(value(least, most), value(least, most))
    .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const step = value(1, most - least + 1);
  const part = fc.oneof(
    value(least, most).map(String),
    range,
    fc.tuple(range, step).map(([of, by]) => `${of}/${by}`),
    fc.tuple(fc.constant('*'), step).map(([of, by]) => `${of}/${by}`),
  );
  return fc.oneof(
    fc.constant('*'),
    part,
    fc.array(part, { minLength: 2, maxLength: 3 }).map((parts) => parts.join(',')),
  );
}

const patterns = fc
  .tuple(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
  .map((fields) => fields.join(' '));

test(
  'plans of any fields have those instants too, in any week of the 20 years',
  () => {
    const zones = new Map(ZONES.map((zone) => [zone, new ShownTime(zone, FROM - 3 * DAY, TO + 3 * DAY)]));
    fc.assert(
      fc.property(
        patterns,
        fc.constantFrom(...ZONES),
        fc.nat(),
        fc.boolean(),
        (cron, zone, seed, atChange) => {
          const shown = zones.get(zone);
          if (shown === undefined) throw new Error(zone);
          const changes = shown.changes.slice(1);
          const change = changes[seed % Math.max(1, changes.length)];
          const from =
            atChange && change !== undefined
              ? change.at - DAY
              : FROM + (seed % Math.floor((TO - FROM) / 1000)) * 1000;
          compare(cron, zone, shown, from, from + 3 * DAY);
        },
      ),
      { seed: 20_080_101, numRuns: isFull ? 20_000 : 300 },
    );
  },
  isFull ? 3_600_000 : 20_000,
);
