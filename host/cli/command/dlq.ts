import type { DeadLetterHead } from '../../bus/records.ts';
import type { LetterReplay, OperatorRecords } from '../../control/control.ts';
import { GtpackError } from '../../errors.ts';
import { limitOf } from '../audit-filter.ts';
import { allLetters, type LetterFilter, type LetterWords, letterFilter, letterOf } from '../letter-choice.ts';
import { note, plain, print, printJson } from '../output.ts';
import { type OpenRecords, openRecords } from '../records.ts';
import { cut, table, timeText } from '../table.ts';
import type { CliWorld } from '../world.ts';

export interface DlqOptions extends LetterWords {
  readonly bundle?: string;
  readonly json: boolean;
}

const DEFAULT_LIMIT = '50';
/** Of one line about a journal's entry; the whole is in the JSON. */
const MAX_LINE = 1000;
/** Told one by one; the rest is counted. */
const MAX_NAMED = 100;

/** Shows the newest dead letters. @throws GtpackError as `openRecords` and `letterFilter` */
export async function dlqList(
  world: CliWorld,
  options: DlqOptions & { readonly limit?: string },
): Promise<number> {
  const filter = letterFilter(options, world.now());
  const limit = limitOf(options.limit ?? DEFAULT_LIMIT);
  return await withRecords(world, options, async ({ records }) => {
    const letters: DeadLetterHead[] = [];
    let next: string | null = '';
    while (next !== null && letters.length < limit && !world.stop.aborted) {
      const after: { readonly after?: string } = next === '' ? {} : { after: next };
      const page = await records.letters({
        ...filter,
        ...after,
        order: 'newest',
        limit: limit - letters.length,
      });
      letters.push(...page.items);
      next = page.next;
    }
    if (options.json) {
      await printJson(world, { dead_letters: letters.map(headJson), more: next !== null });
      return 0;
    }
    if (letters.length === 0) await print(world, 'There are no such dead letters.');
    else
      await print(
        world,
        ...table(
          ['id', 'tenant', 'type', 'time', 'attempts', 'reason'],
          letters.map(({ id, tenant, type, diedAt, attempts, reason }) => [
            id,
            tenant,
            type,
            timeText(diedAt),
            String(attempts),
            cut(reason, MAX_LINE),
          ]),
        ),
      );
    if (next !== null) await note(world, `There may be more; --limit COUNT shows more than ${limit}.`);
    return 0;
  });
}

/** Shows one dead letter whole. @throws GtpackError `dead_letter_unknown`, and as `dlqList` */
export async function dlqShow(world: CliWorld, id: string, options: DlqOptions): Promise<number> {
  const filter = letterFilter(options, world.now());
  return await withRecords(world, options, async ({ records }) => {
    const letter = await records.letter(await letterOf(records, id, filter));
    if (letter === null) throw new GtpackError('dead_letter_unknown', `The event ${id} was just taken away.`);
    const event: unknown = jsonOf(letter.eventJson);
    const runs = jsonOf(letter.runsJson) as readonly { readonly journal: readonly unknown[] }[];
    if (options.json) {
      await printJson(world, { ...headJson(letter), event, runs });
      return 0;
    }
    await print(
      world,
      plain(`${letter.id} of ${letter.tenant}: ${letter.type}, stored ${timeText(letter.storedAt)}`),
      plain(`died ${timeText(letter.diedAt)} after ${attemptsText(letter.attempts)}: ${letter.reason}`),
      `event ${cut(plain(letter.eventJson), MAX_LINE)}`,
      ...letter.runs.flatMap(({ runId, flow, status }, at) => [
        plain(`run ${runId} of ${flow}: ${status}`),
        ...(runs[at]?.journal ?? []).map((entry) => `  ${cut(plain(JSON.stringify(entry)), MAX_LINE)}`),
      ]),
    );
    return 0;
  });
}

export interface ManyOptions extends DlqOptions {
  readonly all: boolean;
}

/**
 * Publishes dead events again. Status 1 where one was not replayed.
 * @throws GtpackError `option_invalid` without ids and `--all`, `dead_letter_unknown`, and as `dlqList`
 */
export async function dlqReplay(
  world: CliWorld,
  ids: readonly string[],
  options: ManyOptions & { readonly fromStart: boolean },
): Promise<number> {
  const filter = choiceOf(world, ids, options);
  const { fromStart } = options;
  return await withRecords(world, options, async ({ records, isRunning }) => {
    const counts = { replayed: 0, gone: 0, superseded: 0 };
    const changed = new Map<string, Json>();
    const refused: Json[] = [];
    for await (const letters of chosen(records, ids, filter)) {
      const replays = await records.replay(letters, { fromStart });
      for (const [at, letter] of letters.entries()) {
        const replay: LetterReplay = replays[at] ?? { outcome: 'gone', changed: null };
        counts[replay.outcome] += 1;
        const { tenant, id } = letter;
        if (replay.outcome !== 'replayed' && refused.length < MAX_NAMED)
          refused.push({ tenant, id, outcome: replay.outcome });
        for (const { flow, how } of replay.changed ?? [])
          if (changed.size < MAX_NAMED) changed.set(`${tenant} ${flow}`, { tenant, flow, how });
      }
      await progress(world, counts.replayed, 'replayed');
      if (world.stop.aborted) break;
    }
    const flows = [...changed.values()];
    if (options.json)
      await printJson(world, {
        ...counts,
        refused,
        changed_flows: flows,
        takes_effect: isRunning ? 'now' : 'start',
      });
    else {
      await print(
        world,
        `${eventsText(counts.replayed)} replayed${isRunning ? '' : '; they run at the next start of the host'}.`,
        ...refused.map(({ tenant, id, outcome }) =>
          plain(`${id} of ${tenant} was not: ${REFUSALS[outcome ?? '']}`),
        ),
        ...flows.map(({ tenant, flow, how }) =>
          plain(
            how === 'removed'
              ? `The flow ${flow} of ${tenant} is not there any more: nothing of it runs.`
              : `The flow ${flow} of ${tenant} has changed: ${fromStart ? 'its runs begin in it as it is now' : 'its runs go on, behind what their journals recorded, in the flow as it is now'}.`,
          ),
        ),
      );
      const others = counts.gone + counts.superseded - refused.length;
      if (others > 0) await print(world, `${eventsText(others)} more were not replayed.`);
    }
    return counts.gone + counts.superseded === 0 ? 0 : 1;
  });
}

type Json = Readonly<Record<string, string>>;

const REFUSALS: Readonly<Record<string, string>> = {
  gone: 'it is not in the dead letters any more.',
  superseded: 'a later event has the same id, and its runs would be the same. Drop it.',
};

/** Forgets dead events with their journals. @throws GtpackError as `dlqReplay` */
export async function dlqDrop(
  world: CliWorld,
  ids: readonly string[],
  options: ManyOptions,
): Promise<number> {
  const filter = choiceOf(world, ids, options);
  return await withRecords(world, options, async ({ records }) => {
    let dropped = 0;
    for await (const letters of chosen(records, ids, filter)) {
      dropped += (await records.drop(letters)).filter(Boolean).length;
      await progress(world, dropped, 'dropped');
      if (world.stop.aborted) break;
    }
    if (options.json) await printJson(world, { dropped });
    else await print(world, `${eventsText(dropped)} dropped.`);
    return 0;
  });
}

function choiceOf(world: CliWorld, ids: readonly string[], options: ManyOptions): LetterFilter {
  if (ids.length === 0 && !options.all)
    throw new GtpackError('option_invalid', 'Which ones? No id and no --all came.', {
      cure: 'Name events by their ids, or say --all, with --tenant, --type or --since to narrow it.',
    });
  if (ids.length > 0 && options.all)
    throw new GtpackError('option_invalid', 'Ids and --all came together; expected one of them.');
  return letterFilter(options, world.now());
}

async function* chosen(
  records: OperatorRecords,
  ids: readonly string[],
  filter: LetterFilter,
): AsyncGenerator<readonly DeadLetterHead[], void, undefined> {
  if (ids.length === 0) yield* allLetters(records, filter);
  // All are looked up first: where one is unknown, nothing is done.
  const letters: DeadLetterHead[] = [];
  for (const id of new Set(ids)) letters.push(await letterOf(records, id, filter));
  for (let from = 0; from < letters.length; from += MAX_NAMED) yield letters.slice(from, from + MAX_NAMED);
}

async function withRecords(
  world: CliWorld,
  { bundle }: DlqOptions,
  work: (open: OpenRecords) => Promise<number>,
): Promise<number> {
  const open = await openRecords(world, bundle);
  try {
    return await work(open);
  } finally {
    await open.close();
  }
}

function headJson({ runs, position, storedAt, diedAt, ...head }: DeadLetterHead): Record<string, unknown> {
  const { tenant, id, type, reason, attempts } = head;
  return {
    tenant,
    id,
    type,
    reason,
    attempts,
    stored_at: timeText(storedAt),
    died_at: timeText(diedAt),
    runs: runs.map(({ runId, flow, status }) => ({ run_id: runId, flow, status })),
  };
}

async function progress(world: CliWorld, count: number, what: string): Promise<void> {
  if (world.showsProgress && count > MAX_NAMED) await note(world, `${eventsText(count)} ${what} …`);
}

function jsonOf(text: string): unknown {
  return JSON.parse(text) as unknown;
}

function eventsText(count: number): string {
  return `${count} ${count === 1 ? 'event' : 'events'}`;
}

function attemptsText(count: number): string {
  return `${count} ${count === 1 ? 'attempt' : 'attempts'}`;
}
