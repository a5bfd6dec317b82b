import type { DeadLetterHead, LetterQuery } from '../bus/records.ts';
import { MAX_LETTERS, type OperatorRecords } from '../control/control.ts';
import { GtpackError } from '../errors.ts';
import { parseEventType, parseTenantId, quoted } from '../event/names.ts';
import { instantOf } from './audit-filter.ts';

/** Which dead letters are meant, as it was typed. */
export interface LetterWords {
  readonly tenant?: string;
  readonly type?: string;
  readonly since?: string;
}

export type LetterFilter = Omit<LetterQuery, 'order' | 'limit' | 'after'>;

/** @param now milliseconds since the Unix epoch @throws GtpackError `option_invalid`, `tenant_invalid`, `event_type_invalid` */
export function letterFilter({ tenant, type, since }: LetterWords, now: number): LetterFilter {
  return {
    ...(tenant === undefined ? {} : { tenant: parseTenantId(tenant) }),
    ...(type === undefined ? {} : { type: parseEventType(type) }),
    ...(since === undefined ? {} : { since: instantOf(since, now) }),
  };
}

/**
 * Every letter of a filter that is there now, in batches, the oldest first. What dies while they are worked on is not
 * among them: a replay that fails again comes to an end.
 *
 * Several hosts bury by clocks of their own, so the last letter tells the end by its place. Only where somebody takes that
 * one away meanwhile do the times of death.
 */
export async function* allLetters(
  records: Pick<OperatorRecords, 'letters' | 'letter'>,
  filter: LetterFilter,
): AsyncGenerator<readonly DeadLetterHead[], void, undefined> {
  const [newest] = await firstOf(records, { ...filter, order: 'newest', limit: 1 });
  if (newest === undefined) return;
  const isNewest = ({ tenant, position }: DeadLetterHead): boolean =>
    tenant === newest.tenant && position === newest.position;
  const isLater = ({ diedAt }: DeadLetterHead): boolean => diedAt > newest.diedAt;
  let after: { readonly after?: string } = {};
  for (;;) {
    const { items, next } = await records.letters({
      ...filter,
      ...after,
      order: 'oldest',
      limit: MAX_LETTERS,
    });
    const end = items.findIndex(isNewest);
    let letters = end === -1 ? items : items.slice(0, end + 1);
    if (end === -1 && items.some(isLater) && (await records.letter(newest)) === null)
      letters = items.filter((letter) => !isLater(letter));
    if (letters.length > 0) yield letters;
    if (next === null || end !== -1 || letters.length < items.length) return;
    after = { after: next };
  }
}

/**
 * The letter of an event's id: of several of one tenant the last.
 * @throws GtpackError `dead_letter_unknown`, `option_invalid` where several tenants have one
 */
export async function letterOf(
  records: OperatorRecords,
  id: string,
  filter: LetterFilter,
): Promise<DeadLetterHead> {
  const found = await firstOf(records, { ...filter, id, order: 'newest', limit: MAX_LETTERS });
  const [letter] = found;
  if (letter === undefined)
    throw new GtpackError('dead_letter_unknown', `No event ${quoted(id)} is in the dead letters.`, {
      cure: 'See `gtpack dlq list`; it may have been replayed or dropped.',
    });
  const tenants = [...new Set(found.map(({ tenant }) => tenant))];
  if (tenants.length === 1) return letter;
  throw new GtpackError('option_invalid', `Several tenants have a dead event ${quoted(id)}.`, {
    cure: `Say which with --tenant: ${tenants.join(', ')}.`,
  });
}

/** The first page that holds something. */
export async function firstOf(
  records: Pick<OperatorRecords, 'letters'>,
  query: LetterQuery,
): Promise<readonly DeadLetterHead[]> {
  let page = await records.letters(query);
  while (page.items.length === 0 && page.next !== null)
    page = await records.letters({ ...query, after: page.next });
  return page.items;
}
