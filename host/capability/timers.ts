import type { TimerPage, TimerStore } from '../bus/timers.ts';
import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import { allowsTimerEvent, type TimersGrant } from '../grant/timers-grant.ts';
import { checkTimerId, parseTimerArguments } from '../sandbox/timer-order.ts';
import { parseQueryArguments } from '../sandbox/timer-query.ts';
import { formatDuration } from '../written/duration.ts';
import type { Capability, CapabilityAnswer, CapabilityCall } from './capability.ts';

/**
 * `timers.set`, `timers.clear` and `timers.list`: durable timers of one provider in one tenant. The guest's document was read in the cell;
 * what its parts may be is the grant's. Firing them is the schedule's.
 */
export class TimersCapability implements Capability {
  readonly name = 'timers';
  readonly #store: Pick<TimerStore, 'set' | 'clear' | 'list'>;

  constructor(store: Pick<TimerStore, 'set' | 'clear' | 'list'>) {
    this.#store = store;
  }

  async perform({
    tenant,
    source,
    grants: { timers: grant },
    fn,
    args,
    reaches,
  }: CapabilityCall): Promise<CapabilityAnswer> {
    if (grant === null) throw nothingGranted(source);
    const owner = { tenant, source };
    switch (fn) {
      case 'set': {
        const timer = parseTimerArguments(args);
        reaches(timer.id);
        if (!allowsTimerEvent(grant, timer.type)) throw typeDenied(source, timer.type);
        if (timer.everyMs !== null && timer.everyMs < grant.minIntervalMs)
          throw intervalDenied(source, timer.everyMs, grant);
        if (!(await this.#store.set(owner, timer, grant.maxTimers))) throw full(source, grant);
        return { kind: 'ok', json: JSON.stringify({ due_at: timer.dueAt }) };
      }
      case 'clear': {
        const id = checkTimerId(args[0]);
        reaches(id);
        return { kind: 'ok', json: String(await this.#store.clear(owner, id)) };
      }
      case 'list': {
        const { after, limit } = parseQueryArguments(args);
        return { kind: 'ok', json: pageJson(await this.#store.list(owner, after, limit)) };
      }
      default:
        throw new GtpackError(
          'effect_failed',
          `The functions set, clear and list of timers were expected; ${quoted(fn)} came.`,
          { retryable: false },
        );
    }
  }

  async close(): Promise<void> {}
}

function pageJson({ timers, next }: TimerPage): string {
  const listed = timers.map(({ id, dueAt, everyMs, type }) => ({
    id,
    due_at: dueAt,
    every_ms: everyMs,
    event_type: type,
  }));
  return JSON.stringify({ timers: listed, next });
}

function full(source: string, { maxTimers }: TimersGrant): GtpackError {
  return new GtpackError(
    'timers_full',
    `The provider ${source} has ${maxTimers} timers set, which is the most that its grant allows (max).`,
    { cure: `Clear some, or raise max in its grant: timers: { max: … }` },
  );
}

function nothingGranted(source: string): GtpackError {
  return new GtpackError('capability_denied', `The provider ${source} may set no timers.`, {
    cure: `To allow it, add to the grants of ${source} in the bundle: timers: { events: ["reminder.due"] }`,
  });
}

function typeDenied(source: string, type: string): GtpackError {
  return new GtpackError(
    'capability_denied',
    `The provider ${source} may not set timers for events of the type ${type}.`,
    { cure: `To allow it, add to the grants of ${source} in the bundle: timers: { events: ["${type}"] }` },
  );
}

function intervalDenied(source: string, everyMs: number, { minIntervalMs }: TimersGrant): GtpackError {
  return new GtpackError(
    'capability_denied',
    `The provider ${source} may not set timers that repeat every ${everyMs} ms; ${minIntervalMs} ms is the shortest.`,
    {
      cure: `To allow it, change the grants of ${source} in the bundle: timers: { min_interval: ${formatDuration(everyMs)} }`,
    },
  );
}
