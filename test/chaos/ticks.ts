import type { FinishedRunHead } from '../../host/bus/records.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { tickId } from '../../host/schedule/schedule.ts';
import { CLOCK, clockFlow } from './bundle.ts';

const SECOND_MS = 1000;

/** How the ticks of the clocks came. */
export interface Ticks {
  /** Instants and clocks whose tick ran. */
  readonly fired: number;
  /** Those that ran more than once, were left out between two that ran, or are of no instant at all. */
  readonly faults: readonly string[];
}

/** @param from when the first host was started; milliseconds since the Unix epoch */
export function ticksOf(runs: readonly FinishedRunHead[], clocks: number, from: number, to: number): Ticks {
  const tenant = parseTenantId(CLOCK);
  const times = new Map<string, number>();
  for (const { eventId, tenant: of } of runs)
    if (of === tenant) times.set(eventId, (times.get(eventId) ?? 0) + 1);
  const faults = [...times].flatMap(([id, count]) => (count === 1 ? [] : [`${id} ran ${count} times`]));
  const unknown = new Set(times.keys());
  let fired = 0;
  for (let clock = 0; clock < clocks; clock += 1) {
    const instants: number[] = [];
    for (let at = Math.ceil(from / SECOND_MS) * SECOND_MS; at <= to; at += SECOND_MS)
      if (unknown.delete(tickId(tenant, `flow:${clockFlow(clock)}/0`, at))) instants.push(at);
    fired += instants.length;
    for (const [index, at] of instants.entries()) {
      const before = instants[index - 1] ?? at - SECOND_MS;
      if (at - before !== SECOND_MS)
        faults.push(
          `clock ${clock} has no tick between ${new Date(before).toISOString()} and ${at - before} ms later`,
        );
    }
  }
  for (const id of unknown) faults.push(`${id} is of no instant`);
  return { fired, faults };
}
