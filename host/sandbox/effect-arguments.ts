import { MAX_STATE_VALUE_BYTES, type WaitingImport } from '../contract.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import { parseBoundedJson } from '../event/json-bounds.ts';
import type { NormalizeContext } from '../event/normalize.ts';
import { readDrafts } from './ingest.ts';
import type { CellLimits, Effect } from './protocol.ts';
import { readTimer, timerArguments } from './timer-order.ts';
import { queryArguments, readTimerQuery } from './timer-query.ts';

/**
 * What a guest passes to a host function, read in the cell as far as it has to be parsed. The main process gets events
 * that are normalized, a timer in its parts, and a value of which it knows that it is JSON.
 * @throws GtpackError which the guest gets as a problem; nothing reaches the main process then
 */
export function readArguments(
  capability: WaitingImport,
  fn: string,
  args: readonly string[],
  context: NormalizeContext,
  limits: CellLimits,
): Pick<Effect, 'args' | 'events'> {
  const [first = '', second = ''] = args;
  if (capability === 'bus')
    return { args: [], events: readDrafts(first, { ...context, eventType: null }, limits) };
  if (capability === 'timers' && fn === 'set')
    return { args: timerArguments(readTimer(first, context, limits, Date.now())), events: [] };
  if (capability === 'timers' && fn === 'list')
    return { args: queryArguments(readTimerQuery(first)), events: [] };
  if (capability === 'state' && fn === 'set') checkValue(second, limits);
  return { args, events: [] };
}

/** A value stays the text that the guest wrote; whoever reads it later may parse it. */
function checkValue(json: string, { maxJsonDepth, maxJsonElements }: CellLimits): void {
  const bounds = {
    maxBytes: MAX_STATE_VALUE_BYTES,
    maxDepth: maxJsonDepth,
    maxElements: maxJsonElements,
  };
  try {
    parseBoundedJson(json, bounds, 'The value');
  } catch (error) {
    throw new GtpackError('state_value_invalid', errorMessage(error), { cause: error });
  }
}
