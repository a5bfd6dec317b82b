import { Cron } from 'croner';
import { errorMessage } from '../errors.ts';

/**
 * The calendar of a cron expression: local times, each written as the instant that it would be in UTC. What a zone's
 * clocks make of them is the business of who asks.
 */
export interface CronCalendar {
  /** What the hour field says: only `fixed` hours are there once where the clocks go back. */
  readonly hours: HourRule;
  /** The first local time that is not before `from`, or null. */
  first(from: number): number | null;
  /** The last local time that is not after `upTo`, or null. */
  last(upTo: number): number | null;
}

/** `fixed`: numbers, lists and ranges. `step`: some hours by `*` or `/`. `every`: all 24 by them. */
export type HourRule = 'fixed' | 'step' | 'every';

/** An expression that is right as far as it goes, and that no day matches. */
export class NeverComes extends Error {
  override readonly name = 'NeverComes';
}

/** Any: without years, an expression that has no time after this one never has one. */
const A_TIME = Date.UTC(2001, 0, 1);

/**
 * @param fields 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds before them
 * @throws NeverComes; Error whose message says what is wrong, to stand behind a colon
 */
export function readCron(fields: string): CronCalendar {
  const parts = fields.trim() === '' ? [] : fields.trim().split(/\s+/);
  if (parts.length < 5 || parts.length > 6)
    throw new Error(`it has ${parts.length} fields, where 5 or 6 were expected`);
  const cron = parsed(parts.join(' '));
  const first = (from: number): number | null => cron.nextRun(new Date(from - 1))?.getTime() ?? null;
  if (first(A_TIME) === null) throw new NeverComes('no month that it names has such a day');
  return {
    hours: hourRule(parts[parts.length - 4] ?? ''),
    first,
    // Before the millisecond after it: so that a time which is `upTo` itself counts.
    last: (upTo) => cron.previousRuns(1, new Date(upTo + 1))[0]?.getTime() ?? null,
  };
}

function parsed(fields: string): Cron {
  try {
    // An offset of 0 is UTC too, and six times as fast as the zone of that name.
    return new Cron(fields, { mode: '5-or-6-parts', utcOffset: 0, paused: true });
  } catch (error) {
    const message = errorMessage(error)
      .replace(/^CronPattern: /, '')
      .replace(/\.$/, '');
    throw new Error(message, { cause: error });
  }
}

function hourRule(field: string): HourRule {
  if (!/[*?/]/.test(field)) return 'fixed';
  return /(?:^|,)[*?](?:\/1)?(?:$|,)/.test(field) ? 'every' : 'step';
}
