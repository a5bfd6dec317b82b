import { CronPattern } from 'croner';
import { errorMessage } from '../errors.ts';
import type { Path } from '../yaml.ts';
import { nearest, suggestion } from '../yaml.ts';
import type { TimerPlan, Trigger } from './flow.ts';
import { LATER_TRIGGER_KEYS, patternFault, triggerShapes, triggerTypes } from './flow-file.ts';
import { type FlowProblems, kindOf } from './flow-problems.ts';
import type { Edge } from './read-node.ts';

/** A trigger as far as it could be read. */
export interface TriggerDraft {
  readonly targets: readonly Edge[];
  readonly path?: Path;
  readonly when?: string;
  /** Undefined where the trigger has a problem. */
  readonly trigger?: Trigger;
}

export function readTrigger(
  raw: unknown,
  of: { readonly flow: string; readonly index: number },
  problems: FlowProblems,
): TriggerDraft {
  const path: Path = ['triggers', of.index];
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    problems.at(path, { message: `a map was expected; ${kindOf(raw)} came.` });
    return { targets: [] };
  }
  const value = raw as Readonly<Record<string, unknown>>;
  const target = value.target;
  const targets = typeof target === 'string' && target !== '' ? [{ target, path: [...path, 'target'] }] : [];
  const rest = withoutLaterKeys(value, path, problems);
  switch (value.type) {
    case 'event': {
      const read = problems.parse(triggerShapes.event, rest, path);
      if (read === undefined || !patternIsValid(read.event_type, [...path, 'event_type'], problems)) {
        return { targets };
      }
      const { event_type: pattern, when, target: to } = read;
      const condition = when === undefined ? {} : { when };
      return { targets, path, ...condition, trigger: { type: 'event', pattern, ...condition, target: to } };
    }
    case 'timer': {
      const read = problems.parse(triggerShapes.timer, rest, path);
      const plan = read && planOf(read, path, problems);
      if (read === undefined || plan === undefined) return { targets };
      const schedule = `flow:${of.flow}/${of.index}`;
      return { targets, trigger: { type: 'timer', schedule, plan, target: read.target } };
    }
    default:
      unknownType(value.type, path, problems);
      return { targets };
  }
}

function unknownType(type: unknown, path: Path, problems: FlowProblems): void {
  if (type === undefined) {
    problems.at(path, { message: '"type" is missing.', cure: 'Triggers are of type event or timer.' });
    return;
  }
  problems.at([...path, 'type'], {
    message: `This host does not know triggers of this type: ${kindOf(type)} came.`,
    cure: suggestion(String(type), triggerTypes),
  });
}

function withoutLaterKeys(
  value: Readonly<Record<string, unknown>>,
  path: Path,
  problems: FlowProblems,
): unknown {
  const rest = { ...value };
  for (const key of LATER_TRIGGER_KEYS) {
    if (!Object.hasOwn(rest, key)) continue;
    delete rest[key];
    problems.atKey([...path, key], {
      message: `This version of the host does not heed \`${key}\` yet, so the flow would not do what it says.`,
      cure: 'Leave it out.',
    });
  }
  return rest;
}

function patternIsValid(pattern: string, path: Path, problems: FlowProblems): boolean {
  const fault = patternFault(pattern);
  if (fault === undefined) return true;
  problems.at(path, {
    message: `The event type ${JSON.stringify(pattern.slice(0, 140))} ${fault}.`,
    cure: "Write dot-separated lower-case tokens, as in order.created; '*' stands for one token, a last '>' for the rest.",
  });
  return false;
}

interface TimerFields {
  readonly cron?: string | undefined;
  readonly timezone?: string | undefined;
  readonly interval_seconds?: number | undefined;
}

function planOf(timer: TimerFields, path: Path, problems: FlowProblems): TimerPlan | undefined {
  const { cron, timezone, interval_seconds } = timer;
  if ((cron === undefined) === (interval_seconds === undefined)) {
    problems.at(path, {
      message:
        cron === undefined
          ? 'The timer says neither `cron` nor `interval_seconds`.'
          : 'The timer says both `cron` and `interval_seconds`.',
      cure: 'Give one of them.',
    });
    return undefined;
  }
  if (interval_seconds !== undefined) {
    if (timezone === undefined) return { kind: 'interval', everyMs: interval_seconds * 1000 };
    problems.atKey([...path, 'timezone'], {
      message: '`timezone` means nothing to an interval.',
      cure: 'Leave it out, or use `cron`.',
    });
    return undefined;
  }
  const zoneIsValid = timezone === undefined || timezoneIsValid(timezone, [...path, 'timezone'], problems);
  const cronIsRight = cron !== undefined && cronIsValid(cron, [...path, 'cron'], problems);
  return cronIsRight && zoneIsValid ? { kind: 'cron', cron, timezone: timezone ?? 'UTC' } : undefined;
}

function cronIsValid(cron: string, path: Path, problems: FlowProblems): boolean {
  const fault = cronFault(cron);
  if (fault === undefined) return true;
  problems.at(path, {
    message: `${JSON.stringify(cron.slice(0, 140))} is no cron expression: ${fault}.`,
    cure: 'Write 5 fields (minute, hour, day of month, month, day of week), or 6 with seconds before them, as in "0 9 * * 1".',
  });
  return false;
}

function cronFault(cron: string): string | undefined {
  const fields = cron.trim().split(/\s+/).length;
  if (cron.trim() === '' || fields < 5 || fields > 6) {
    return `it has ${cron.trim() === '' ? 0 : fields} fields, where 5 or 6 were expected`;
  }
  try {
    new CronPattern(cron);
    return undefined;
  } catch (error) {
    return errorMessage(error)
      .replace(/^CronPattern: /, '')
      .replace(/\.$/, '');
  }
}

function timezoneIsValid(timezone: string, path: Path, problems: FlowProblems): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return true;
  } catch {
    const near = nearest(timezone, Intl.supportedValuesOf('timeZone'));
    problems.at(path, {
      message: `There is no timezone ${JSON.stringify(timezone.slice(0, 80))}.`,
      cure:
        near === undefined
          ? 'Give a name of the IANA database, as in "America/New_York".'
          : `Did you mean "${near}"?`,
    });
    return false;
  }
}
