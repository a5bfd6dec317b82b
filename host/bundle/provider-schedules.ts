import * as z from 'zod';
import { errorMessage, type Problem } from '../errors.ts';
import type { Json, JsonObject } from '../event/json.ts';
import { parseOpenEventType } from '../event/names.ts';
import {
  readSchedule,
  type Schedule,
  type ScheduleFault,
  scheduleKeys,
  timezoneFaults,
  type WrittenPlan,
} from '../written/schedule.ts';
import { closedObject, type Path, type YamlFile } from '../yaml.ts';

/**
 * What a provider's `config` says of schedules: it counts where the provider turns out to be one of kind `timer`, and
 * is the provider's own business where it does not.
 *
 *     config:
 *       timezone: "Europe/Berlin"      # of schedules and timer triggers that name none; default UTC
 *       schedules:
 *         nightly: { cron: "0 3 * * *", catch_up: all, event_type: "report.due" }
 */
export interface ProviderSchedules {
  readonly timezone: string | null;
  readonly schedules: readonly NamedSchedule[];
  /** Why it can't be used, each with its place. */
  readonly problems: readonly Problem[];
}

export interface NamedSchedule {
  readonly name: string;
  readonly timing: Schedule<WrittenPlan>;
}

export const NO_SCHEDULES: ProviderSchedules = { timezone: null, schedules: [], problems: [] };

const MAX_SCHEDULES = 10_000;

/** What its ticks become is the pack's to make; that it can be an event's type is seen here. */
const eventType = z.string().superRefine((type, context) => {
  try {
    parseOpenEventType(type);
  } catch (error) {
    context.addIssue({ code: 'custom', message: errorMessage(error) });
  }
});
const scheduleShape = closedObject({ ...scheduleKeys, event_type: eventType.optional() });
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** @param path of the config in the bundle file */
export function readProviderSchedules(config: Json, yaml: YamlFile, path: Path): ProviderSchedules {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return NO_SCHEDULES;
  const problems: Problem[] = [];
  const report: Report = (inner, { message, cure }, onKey = false) => {
    const whole = [...path, ...inner];
    const place = onKey ? yaml.atKey(whole) : yaml.at(whole);
    const fix = cure === undefined ? {} : { cure };
    problems.push({
      code: 'bundle_invalid',
      message: `${whole.join('.')}: ${message}`,
      ...fix,
      file: yaml.file,
      ...place,
    });
  };
  const { timezone: written, schedules: named } = config as JsonObject;
  const timezone = readTimezone(written, report);
  const schedules = readAll(named, report);
  return { timezone, schedules, problems };
}

type Report = (
  path: Path,
  finding: { readonly message: string; readonly cure?: string },
  onKey?: boolean,
) => void;

function readTimezone(timezone: unknown, report: Report): string | null {
  if (timezone === undefined) return null;
  if (typeof timezone !== 'string') {
    report(['timezone'], { message: 'The name of a time zone was expected, as in "Europe/Berlin".' });
    return null;
  }
  for (const fault of timezoneFaults(timezone)) report(['timezone'], fault);
  return timezone;
}

function readAll(written: unknown, report: Report): NamedSchedule[] {
  if (written === undefined) return [];
  if (typeof written !== 'object' || written === null || Array.isArray(written)) {
    report(['schedules'], { message: 'A mapping of names to schedules was expected.' });
    return [];
  }
  const entries = Object.entries(written);
  if (entries.length > MAX_SCHEDULES) {
    report(['schedules'], {
      message: `At most ${MAX_SCHEDULES} schedules were expected; ${entries.length} came.`,
    });
    return [];
  }
  return entries.flatMap(([name, value]) => readOne(name, value, report));
}

function readOne(name: string, value: unknown, report: Report): NamedSchedule[] {
  const path = ['schedules', name];
  if (!NAME.test(name)) {
    report(
      path,
      {
        message:
          'A name of a to z, 0 to 9, _ and - was expected, starting with a letter or digit, at most 63 long.',
      },
      true,
    );
    return [];
  }
  const parsed = scheduleShape.safeParse(value);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const [key] = issue.code === 'unrecognized_keys' ? issue.keys : [];
      const inner = issue.path.filter((part) => typeof part !== 'symbol');
      report(
        key === undefined ? [...path, ...inner] : [...path, key],
        { message: issue.message },
        key !== undefined,
      );
    }
    return [];
  }
  const timing = readSchedule(parsed.data, 'schedule');
  if (isTiming(timing)) return [{ name, timing }];
  for (const { of, ...finding } of timing) {
    if (of === 'whole') report(path, finding);
    else if ('key' in of) report([...path, of.key], finding, true);
    else report([...path, of.value], finding);
  }
  return [];
}

function isTiming(read: Schedule<WrittenPlan> | readonly ScheduleFault[]): read is Schedule<WrittenPlan> {
  return !Array.isArray(read);
}
