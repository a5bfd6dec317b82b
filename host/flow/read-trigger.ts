import {
  readSchedule,
  type Schedule,
  type ScheduleFault,
  type WrittenPlan,
  type WrittenSchedule,
} from '../written/schedule.ts';
import type { Path } from '../yaml.ts';
import { suggestion } from '../yaml.ts';
import type { Trigger } from './flow.ts';
import { patternFault, triggerShapes, triggerTypes } from './flow-file.ts';
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
  switch (value.type) {
    case 'event': {
      const read = problems.parse(triggerShapes.event, value, path);
      if (read === undefined || !patternIsValid(read.event_type, [...path, 'event_type'], problems)) {
        return { targets };
      }
      const { event_type: pattern, when, target: to } = read;
      const condition = when === undefined ? {} : { when };
      return { targets, path, ...condition, trigger: { type: 'event', pattern, ...condition, target: to } };
    }
    case 'call': {
      const read = problems.parse(triggerShapes.call, value, path);
      return read === undefined ? { targets } : { targets, path, trigger: read };
    }
    case 'timer': {
      const read = problems.parse(triggerShapes.timer, value, path);
      const timing = read && timingOf(read, path, problems);
      if (read === undefined || timing === undefined) return { targets };
      const schedule = `flow:${of.flow}/${of.index}`;
      return { targets, trigger: { type: 'timer', schedule, timing, target: read.target } };
    }
    default:
      unknownType(value.type, path, problems);
      return { targets };
  }
}

function unknownType(type: unknown, path: Path, problems: FlowProblems): void {
  if (type === undefined) {
    problems.at(path, { message: '"type" is missing.', cure: 'Triggers are of type event, timer or call.' });
    return;
  }
  problems.at([...path, 'type'], {
    message: `This host does not know triggers of this type: ${kindOf(type)} came.`,
    cure: suggestion(String(type), triggerTypes),
  });
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

function timingOf(
  written: WrittenSchedule,
  path: Path,
  problems: FlowProblems,
): Schedule<WrittenPlan> | undefined {
  const read = readSchedule(written, 'timer');
  if (!Array.isArray(read)) return read as Schedule<WrittenPlan>;
  for (const { of, message, cure } of read as readonly ScheduleFault[]) {
    if (of === 'whole') problems.at(path, { message, cure });
    else if ('key' in of) problems.atKey([...path, of.key], { message, cure });
    else problems.at([...path, of.value], { message, cure });
  }
  return undefined;
}
