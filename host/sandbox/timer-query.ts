import { MAX_LISTED_TIMERS } from '../contract.ts';
import { GtpackError } from '../errors.ts';
import type { Json } from '../event/json.ts';
import { parseBoundedJson } from '../event/json-bounds.ts';
import { quoted } from '../event/names.ts';

/** What of a provider's timers is asked for: read in the cell from the guest's document, in its parts afterwards. */
export interface TimerQuery {
  /** `next` of the page before; null for the first. */
  readonly after: string | null;
  readonly limit: number;
}

/** An id of a timer is the longest that a page gives. */
const MAX_AFTER_CHARACTERS = 128;
/** A query of two keys: whatever else is in it is none. */
const BOUNDS = { maxBytes: 4096, maxDepth: 4, maxElements: 16 };
const KEYS: readonly string[] = ['after', 'limit'];

/**
 * Reads what a guest passes to `timers.list`. Optional fields may be null, as serializers write them.
 * @throws GtpackError `timer_invalid` naming the field, `json_invalid` and the like
 */
export function readTimerQuery(json: string): TimerQuery {
  const query = parseBoundedJson(json, BOUNDS, 'The query');
  if (typeof query !== 'object' || query === null || Array.isArray(query))
    throw invalid('The query: an object was expected.');
  for (const key of Object.keys(query))
    if (!KEYS.includes(key))
      throw invalid(`The query has the unknown key ${quoted(key)}. Known: ${KEYS.join(', ')}.`);
  const { after = null, limit } = query as Readonly<Record<string, Json>>;
  return { after: afterOf(after), limit: limitOf(limit ?? MAX_LISTED_TIMERS) };
}

/** As they cross, in this order. */
export function queryArguments({ after, limit }: TimerQuery): string[] {
  return [after ?? '', String(limit)];
}

/** The main process's side. @throws GtpackError `timer_invalid` */
export function parseQueryArguments([after = '', limit = '']: readonly string[]): TimerQuery {
  return { after: after === '' ? null : afterOf(after), limit: limitOf(Number(limit)) };
}

function afterOf(after: unknown): string | null {
  if (after === null) return null;
  if (
    typeof after === 'string' &&
    after !== '' &&
    after.length <= MAX_AFTER_CHARACTERS &&
    after.isWellFormed()
  )
    return after;
  throw invalid('query.after: what a page of timers gave as next was expected.');
}

function limitOf(limit: unknown): number {
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 1 && limit <= MAX_LISTED_TIMERS)
    return limit;
  throw invalid(`query.limit: a whole number from 1 to ${MAX_LISTED_TIMERS} was expected.`);
}

function invalid(message: string): GtpackError {
  return new GtpackError('timer_invalid', message);
}
