import type { Delivery, EventMessage } from '../bus/bus.ts';
import { GtpackError } from '../errors.ts';
import type { Event } from '../event/event.ts';
import { parseEventType } from '../event/names.ts';
import { type EventIds, eventIds, eventToJson, normalizeDraft } from '../event/normalize.ts';
import { DEFAULT_LIMITS } from '../limits.ts';

/** The event that tells a tenant of a dead letter of its own. */
export const DEAD_LETTER_ALERT = parseEventType('host.dead_letter');

const MAX_REASON_CHARACTERS = 4096;
const BOUNDS = {
  maxBytes: DEFAULT_LIMITS.maxEventBytes,
  maxDepth: DEFAULT_LIMITS.maxJsonDepth,
  maxElements: DEFAULT_LIMITS.maxJsonElements,
};

/**
 * Makes the alerts that go with burials: `{ id, type, reason, attempts, flow }` of the dead event. An alert is caused
 * by the event, one hop on. So flows that react to alerts with events that die in their turn come to an end, and there
 * is none of an alert that died itself.
 */
export class DeadLetterAlerts {
  readonly #now: () => number;
  readonly #ids: EventIds = eventIds();

  /** @param now milliseconds since the Unix epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param flow the first that failed; null where none ran @returns undefined where there is to be none */
  of({ id, type, json, attempt }: Delivery, reason: string, flow: string | null): EventMessage | undefined {
    if (type === DEAD_LETTER_ALERT) return undefined;
    const payload = { id, type, reason: cut(reason), attempts: attempt, flow };
    const context = {
      source: 'host',
      eventType: DEAD_LETTER_ALERT,
      receivedAt: this.#now(),
      cause: causeOf(id, json),
      ids: this.#ids,
    };
    try {
      const event = normalizeDraft({ payload }, context, 'The alert');
      return { id: event.id, type: DEAD_LETTER_ALERT, json: eventToJson(event, BOUNDS) };
    } catch (error) {
      if (error instanceof GtpackError && error.code === 'too_many_hops') return undefined;
      throw error;
    }
  }
}

/** Its bounds were checked when it was accepted. What is no event of ours began a chain of its own. */
function causeOf(id: string, json: string): Event {
  const unknown: Event = { id, event_type: '', source: '', timestamp: 0, payload: null };
  try {
    const { hops, trace_id, correlation_id } = JSON.parse(json)?.metadata ?? {};
    if (!Number.isSafeInteger(hops) || typeof trace_id !== 'string' || typeof correlation_id !== 'string')
      return unknown;
    return { ...unknown, metadata: { hops, trace_id, correlation_id } };
  } catch {
    return unknown;
  }
}

function cut(reason: string): string {
  if (reason.length <= MAX_REASON_CHARACTERS) return reason;
  return `${reason.slice(0, MAX_REASON_CHARACTERS).toWellFormed()}…`;
}
