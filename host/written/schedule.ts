import * as z from 'zod';
import { nearest } from '../yaml.ts';
import { NeverComes, readCron } from './cron.ts';
import { duration } from './readers.ts';

/** What a schedule is, however it is written. */
export interface Schedule<Plan = TimerPlan> {
  readonly plan: Plan;
  /** What becomes of instants that nobody could tick for. */
  readonly catchUp: CatchUp;
  /** How long ago such an instant may be. */
  readonly catchUpWindowMs: number;
  /** What becomes of an instant that comes before the last one is worked off. */
  readonly overlap: Overlap;
  /** A tick comes up to so much after its instant. */
  readonly jitterMs: number;
}

export type TimerPlan =
  /** 5 or 6 fields. */
  | { readonly kind: 'cron'; readonly cron: string; readonly timezone: string }
  | { readonly kind: 'interval'; readonly everyMs: number };

/** A plan whose time zone may be the tenant's. */
export type WrittenPlan =
  | TimerPlan
  | { readonly kind: 'cron'; readonly cron: string; readonly timezone: null };

export const CATCH_UP = ['none', 'latest', 'all'] as const;
export type CatchUp = (typeof CATCH_UP)[number];
export const OVERLAP = ['skip', 'queue'] as const;
export type Overlap = (typeof OVERLAP)[number];

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DEFAULT_WINDOW_MS = DAY_MS;
const MAX_WINDOW_MS = 31 * DAY_MS;
const MAX_INTERVAL_SECONDS = 366 * 24 * 3600;

/** The keys of a schedule, for the shape of what it is part of. */
export const scheduleKeys = {
  cron: z.string().optional(),
  timezone: z.string().optional(),
  interval_seconds: z
    .number()
    .int('Whole seconds were expected.')
    .min(1, 'At least 1 second was expected.')
    .max(MAX_INTERVAL_SECONDS, 'At most 366 days were expected.')
    .optional(),
  catch_up: z.enum(CATCH_UP, { error: '"none", "latest" or "all" was expected.' }).optional(),
  catch_up_window: duration(SECOND_MS, MAX_WINDOW_MS).optional(),
  overlap: z.enum(OVERLAP, { error: '"skip" or "queue" was expected.' }).optional(),
  jitter: duration(1, HOUR_MS).optional(),
};

/** What those keys hold. */
export interface WrittenSchedule {
  readonly cron?: string | undefined;
  readonly timezone?: string | undefined;
  readonly interval_seconds?: number | undefined;
  readonly catch_up?: CatchUp | undefined;
  readonly catch_up_window?: number | undefined;
  readonly overlap?: Overlap | undefined;
  readonly jitter?: number | undefined;
}

/** What is wrong with a schedule as a whole, or with the value of a key, or with the key's being there. */
export interface ScheduleFault {
  readonly of: { readonly value: keyof WrittenSchedule } | { readonly key: keyof WrittenSchedule } | 'whole';
  readonly message: string;
  readonly cure: string;
}

/** @param what it is called in messages, as in "timer" */
export function readSchedule(
  written: WrittenSchedule,
  what: string,
): Schedule<WrittenPlan> | readonly ScheduleFault[] {
  const faults: ScheduleFault[] = [];
  const { catch_up = 'latest', catch_up_window, overlap = 'queue', jitter = 0 } = written;
  const plan = planOf(written, what, faults);
  if (catch_up === 'none' && catch_up_window !== undefined) {
    faults.push({
      of: { key: 'catch_up_window' },
      message: '`catch_up_window` means nothing where nothing is caught up with.',
      cure: 'Leave it out, or write `catch_up: latest` or `all`.',
    });
  }
  if (plan === undefined || faults.length > 0) return faults;
  return {
    plan,
    catchUp: catch_up,
    catchUpWindowMs: catch_up_window ?? DEFAULT_WINDOW_MS,
    overlap,
    jitterMs: jitter,
  };
}

/** @param timezone where the schedule names none */
export function planIn(plan: WrittenPlan, timezone: string): TimerPlan {
  return plan.kind === 'cron' ? { ...plan, timezone: plan.timezone ?? timezone } : plan;
}

/** For people: `0 9 * * * Europe/Berlin`, `every 300 s`. */
export function planText(plan: TimerPlan): string {
  return plan.kind === 'cron' ? `${plan.cron} ${plan.timezone}` : `every ${plan.everyMs / 1000} s`;
}

function planOf(
  { cron, timezone, interval_seconds }: WrittenSchedule,
  what: string,
  faults: ScheduleFault[],
): WrittenPlan | undefined {
  if ((cron === undefined) === (interval_seconds === undefined)) {
    const message =
      cron === undefined
        ? `The ${what} says neither \`cron\` nor \`interval_seconds\`.`
        : `The ${what} says both \`cron\` and \`interval_seconds\`.`;
    faults.push({ of: 'whole', message, cure: 'Give one of them.' });
    return undefined;
  }
  if (interval_seconds !== undefined) {
    if (timezone === undefined) return { kind: 'interval', everyMs: interval_seconds * SECOND_MS };
    faults.push({
      of: { key: 'timezone' },
      message: '`timezone` means nothing to an interval.',
      cure: 'Leave it out, or use `cron`.',
    });
    return undefined;
  }
  if (timezone !== undefined) faults.push(...timezoneFaults(timezone));
  if (cron === undefined) return undefined;
  faults.push(...cronFaults(cron));
  return { kind: 'cron', cron, timezone: timezone ?? null } as WrittenPlan;
}

function cronFaults(cron: string): ScheduleFault[] {
  const written = JSON.stringify(cron.slice(0, 140));
  try {
    readCron(cron);
    return [];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error instanceof NeverComes) {
      return [
        {
          of: { value: 'cron' },
          message: `${written} never comes: ${error.message}.`,
          cure: 'Name a day that one of its months has; L stands for the last one.',
        },
      ];
    }
    return [
      {
        of: { value: 'cron' },
        message: `${written} is no cron expression: ${error.message}.`,
        cure: 'Write 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds before them, as in "0 9 * * 1".',
      },
    ];
  }
}

/** Empty for the name of a time zone. */
export function timezoneFaults(timezone: string): ScheduleFault[] {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return [];
  } catch {
    const near = nearest(timezone, Intl.supportedValuesOf('timeZone'));
    return [
      {
        of: { value: 'timezone' },
        message: `There is no timezone ${JSON.stringify(timezone.slice(0, 80))}.`,
        cure:
          near === undefined
            ? 'Give a name of the IANA database, as in "America/New_York".'
            : `Did you mean "${near}"?`,
      },
    ];
  }
}
