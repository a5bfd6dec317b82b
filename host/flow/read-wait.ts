import type { Path } from '../yaml.ts';
import { MAX_WAIT_MS, type WaitNode } from './flow.ts';
import { configShapes, patternFault } from './flow-file.ts';
import type { FlowProblems } from './flow-problems.ts';

const WAYS = ['duration', 'until', 'event'] as const;

/** A wait cannot go well another time, and how long it takes stands in its `config`. */
export function refuseTries(
  base: { readonly timeout?: unknown; readonly retry?: unknown },
  path: Path,
  problems: FlowProblems,
): void {
  for (const key of ['timeout', 'retry'] as const) {
    if (base[key] === undefined) continue;
    problems.atKey([...path, key], {
      message: `\`${key}\` means nothing to a wait.`,
      cure:
        key === 'timeout'
          ? 'Leave it out. How long to wait for an event says `config.timeout`.'
          : 'Leave it out.',
    });
  }
}

export function readWait(
  config: unknown,
  path: Path,
  problems: FlowProblems,
): WaitNode['config'] | undefined {
  const read = problems.parse(configShapes.wait, config, path);
  if (read === undefined) return undefined;
  const given = WAYS.filter((key) => read[key] !== undefined);
  const [way, ...others] = given;
  if (way === undefined || others.length > 0) {
    const named = given.map((key) => `\`${key}\``);
    problems.at(path, {
      message:
        way === undefined
          ? 'Neither `duration` nor `until` nor `event` is given.'
          : `${others.length === 1 ? 'Both ' : ''}${named.slice(0, -1).join(', ')} and ${named.at(-1)} are given.`,
      cure: 'Give one of them, as in { duration: 10m }, or { event: order.paid, timeout: 1d }.',
    });
    return undefined;
  }
  const { duration, until, event, when, timeout = MAX_WAIT_MS } = read;
  if (event !== undefined) {
    const fault = patternFault(event);
    if (fault === undefined) {
      return { event: { pattern: event, timeoutMs: timeout, ...(when === undefined ? {} : { when }) } };
    }
    problems.at([...path, 'event'], {
      message: `The event type ${JSON.stringify(event)} ${fault}.`,
      cure: 'A pattern is an event type, such as order.paid; in it, * stands for one token and a last > for the rest.',
    });
    return undefined;
  }
  for (const key of ['when', 'timeout'] as const) {
    if (read[key] === undefined) continue;
    problems.atKey([...path, key], {
      message: `\`${key}\` means nothing to a wait that is for no event.`,
      cure: 'Leave it out, or wait for an `event`.',
    });
    return undefined;
  }
  return until === undefined ? { ...(duration === undefined ? {} : { durationMs: duration }) } : { until };
}
