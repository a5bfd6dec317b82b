import type { DeadLetterHead, FinishedRunHead, Page, PageQuery } from '../../host/bus/records.ts';
import type { ControlClient } from '../../host/control/control.ts';
import type { Seen } from '../system/bus-log.ts';
import type { Accepted } from './sender.ts';
import { STEPS, type Vendor } from './vendor.ts';

/** What a bus holds of what has passed. */
export interface Records {
  readonly runs: readonly FinishedRunHead[];
  readonly letters: readonly DeadLetterHead[];
}

export async function recordsOf({ records }: ControlClient): Promise<Records> {
  return {
    runs: await everyPage((query) => records.runs(query)),
    letters: await everyPage((query) => records.letters({ ...query, order: 'oldest' })),
  };
}

async function everyPage<T>(read: (query: PageQuery) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const page = await read({ limit: 1000, ...(after === undefined ? {} : { after }) });
    items.push(...page.items);
    after = page.next;
  }
  return items;
}

/** Ids of what was accepted and has no result yet. */
export function missing({ runs }: Pick<Records, 'runs'>, accepted: ReadonlyMap<string, Accepted>): string[] {
  const done = new Set(runs.map(({ eventId }) => eventId));
  return [...accepted.keys()].filter((id) => !done.has(id));
}

/** Every promise that was broken, in words; for a moment at which nothing that was accepted is missing. */
export function brokenPromises(
  { runs, letters }: Records,
  accepted: ReadonlyMap<string, Accepted>,
  vendor: Vendor,
): string[] {
  const broken: string[] = [];
  const perEvent = Map.groupBy(runs, ({ eventId }) => eventId);
  for (const [id, results] of perEvent)
    if (results.length !== 1) broken.push(`The event ${id} has ${results.length} results.`);
  const lettersOf = Map.groupBy(letters, ({ id }) => id);
  for (const { event, id } of accepted.values()) {
    const { n, spins } = event;
    const [run] = perEvent.get(id) ?? [];
    if (run === undefined) {
      broken.push(`The event ${id} (${n}) was accepted, and has no result.`);
      continue;
    }
    const expected = spins === undefined ? 'pay ok' : `spin-${spins} error`;
    if (`${run.flow} ${run.status}` !== expected)
      broken.push(`The event ${id} (${n}) ended as ${run.flow} ${run.status}; expected ${expected}.`);
    const buried = lettersOf.get(id)?.length ?? 0;
    if (buried !== (spins === undefined ? 0 : 1))
      broken.push(`The event ${id} (${n}) has ${buried} dead letters.`);
    if (spins !== undefined) continue;
    // It has a result, so that nothing more may come of it.
    for (const step of STEPS) vendor.seal(`${step}/${n}`, 'part of a finished run');
  }
  for (const { id, type, reason } of letters)
    if (!type.startsWith('order.spun.') || !reason.includes('guest_timeout'))
      broken.push(`The event ${id} of the type ${type} is in the dead letters: ${reason}`);
  return broken;
}

/**
 * What a tail has shown: no event has two results, and each is its own. A server that was away may not have said that it
 * has one; it is published again under its message id, which the stream drops and a tail shows again.
 */
export function brokenResults(
  seen: readonly Seen[],
  accepted: ReadonlyMap<string, Accepted>,
  repeats: 'never' | 'after an outage',
): string[] {
  const shown = seen.filter(({ kind }) => kind === 'result').map(({ json }) => json);
  const results =
    repeats === 'never'
      ? shown
      : [...new Map(shown.map((one) => [`${one.run_id} ${one.status}`, one])).values()];
  const perEvent = Map.groupBy(results, ({ event_id }) => event_id);
  return [...perEvent].flatMap(([id, [first, ...others]]) => {
    const event = accepted.get(id)?.event;
    return [
      ...(others.length === 0 ? [] : [`The tail showed ${others.length + 1} results of the event ${id}.`]),
      ...(event === undefined || event.spins !== undefined || first.output === event.n
        ? []
        : [`The result of the event ${event.n} is ${first.output}.`]),
    ];
  });
}
