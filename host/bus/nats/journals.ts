import { GtpackError } from '../../errors.ts';
import type { JournalEntry } from '../bus.ts';
import { headers } from './client.ts';
import type { Connection } from './connection.ts';
import type { HostKey } from './host-key.ts';
import type { Layout } from './layout.ts';
import { getMessage, type StoredMessage, store } from './stream-api.ts';

/** What a message in a run's journal is. */
type Mark =
  | 'entries'
  /** A host took the run over: no other may write before it has read what is here. */
  | 'taken'
  /** What stands before is over. */
  | 'cleared'
  /** The run ended with its event in the dead letters: a replay goes on behind what is here. */
  | 'ended';

const MARK = 'Gtpack-Mark';
const OWNER = 'Gtpack-Owner';
const MAX_KNOWN_RUNS = 100_000;
const MAX_TRIES = 8;
/** A message of a journal holds at most so much text; servers take 1 MiB by default. */
const MAX_MESSAGE_CHARACTERS = 256 * 1024;

/**
 * The journals of runs (B3): for each a subject of its own, where every message names the one that it follows. So a
 * journal has one history, whoever writes: of two hosts that both take a run for theirs one is refused at its next word.
 */
export class Journals {
  readonly #connection: Connection;
  readonly #layout: Layout;
  readonly #key: HostKey;
  readonly #owner: string;
  /** The end of each journal that this host writes; what was forgotten is asked for. */
  readonly #ends = new Map<string, RunEnd>();

  /** @param owner tells this host apart from all others, and from itself before it was started again */
  constructor(connection: Connection, layout: Layout, key: HostKey, owner: string) {
    this.#connection = connection;
    this.#layout = layout;
    this.#key = key;
    this.#owner = owner;
  }

  /** @throws GtpackError `bus_unavailable`, `run_taken` */
  async record(entries: readonly JournalEntry[]): Promise<void> {
    const byRun = Map.groupBy(entries, ({ runId }) => runId);
    const outcomes = await Promise.allSettled(
      [...byRun].map(([runId, own]) => this.#inTurn(runId, () => this.#append(runId, own))),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /**
   * The journals of runs that go on here: whoever wrote them before is shut out.
   * @throws GtpackError `bus_unavailable`
   */
  async takeOver(runIds: readonly string[]): Promise<Map<string, readonly JournalEntry[]>> {
    const found = new Map<string, readonly JournalEntry[]>();
    await Promise.all(
      [...new Set(runIds)].map(async (runId) => {
        const entries = await this.#inTurn(runId, () => this.#take(runId));
        if (entries.length > 0) found.set(runId, entries);
      }),
    );
    return new Map(runIds.flatMap((runId) => pairOf(runId, found.get(runId))));
  }

  /** The entries that are there, whoever goes on with the run. @throws GtpackError `bus_unavailable` */
  async read(runId: string): Promise<readonly JournalEntry[]> {
    return entriesOf(runId, await this.#messages(runId));
  }

  /**
   * The run is over. Whoever still writes is shut out.
   * @param end what `lastEnd` tells from now on
   * @throws GtpackError `bus_unavailable`
   */
  end(runId: string, end: string, keepsEntries: boolean): Promise<void> {
    return this.#inTurn(runId, async () => {
      const marked = this.#headers(keepsEntries ? 'ended' : 'cleared');
      await store(this.#connection, this.#subject(runId), end, { headers: marked });
      this.#ends.delete(runId);
    });
  }

  /** @returns what the run's last `end` gave, or null @throws GtpackError `bus_unavailable` */
  async lastEnd(runId: string): Promise<string | null> {
    const end = (await this.#messages(runId)).findLast((message) => {
      const mark = markOf(message);
      return (mark === 'ended' || mark === 'cleared') && message.text !== '';
    });
    return end?.text ?? null;
  }

  /** Forgets what was recorded. @throws GtpackError `bus_unavailable` */
  async clear(runId: string): Promise<void> {
    await this.end(runId, (await this.lastEnd(runId)) ?? '', false);
  }

  /** Puts back the entries of a run, if nothing of it is there any more. @throws GtpackError `bus_unavailable` */
  async restore(entries: readonly JournalEntry[]): Promise<void> {
    for (const [runId, own] of Map.groupBy(entries, (entry) => entry.runId))
      if ((await this.read(runId)).length === 0) await this.record(own);
  }

  async #append(runId: string, entries: readonly JournalEntry[]): Promise<void> {
    for (const part of partsOf(entries)) {
      const body = JSON.stringify(part.map(({ ordinal, entry }) => [ordinal, entry]));
      await this.#write(runId, 'entries', body, () => {
        throw taken();
      });
    }
  }

  async #take(runId: string): Promise<readonly JournalEntry[]> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const messages = await this.#messages(runId);
      const last = messages.at(-1);
      this.#know(runId, last?.sequence ?? 0);
      let isTaken = last?.headers.get(OWNER.toLowerCase()) === this.#owner;
      if (!isTaken) {
        isTaken = true;
        await this.#write(runId, 'taken', '', () => {
          isTaken = false;
        });
      }
      if (isTaken) return entriesOf(runId, messages);
    }
    throw taken();
  }

  /** @param onOther called where another host wrote meanwhile */
  async #write(runId: string, mark: Mark, body: string, onOther: () => void): Promise<void> {
    const subject = this.#subject(runId);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const after = this.#ends.get(runId)?.sequence ?? 0;
      const stored = await store(this.#connection, subject, body, { headers: this.#headers(mark), after });
      if (stored.kind === 'stored') {
        this.#know(runId, stored.sequence);
        return;
      }
      const last = await getMessage(this.#connection, this.#layout.journals, { last_by_subj: subject });
      if (last !== null && !isFree(last, this.#owner)) {
        this.#ends.delete(runId);
        onOther();
        return;
      }
      // Our own, whose answer was lost or which was forgotten here; or one that is over; or all of it is too old.
      this.#know(runId, last?.sequence ?? 0);
      if (mark === 'entries' && last?.text === body && last.headers.get(OWNER.toLowerCase()) === this.#owner)
        return;
    }
    throw new GtpackError('bus_unavailable', 'The journal of a run changes faster than it can be written.');
  }

  async #messages(runId: string): Promise<StoredMessage[]> {
    const subject = this.#subject(runId);
    const last = await getMessage(this.#connection, this.#layout.journals, { last_by_subj: subject });
    if (last === null || markOf(last) === 'cleared') return last === null ? [] : [last];
    const messages: StoredMessage[] = [];
    for (let seq = 1; seq < last.sequence; ) {
      const query = { seq, next_by_subj: subject };
      const next = await getMessage(this.#connection, this.#layout.journals, query);
      if (next === null || next.sequence >= last.sequence) break;
      if (markOf(next) === 'cleared') messages.length = 0;
      messages.push(next);
      seq = next.sequence + 1;
    }
    return [...messages, last];
  }

  /** One write after the other: each names the one before. */
  #inTurn<T>(runId: string, work: () => Promise<T>): Promise<T> {
    const end = this.#ends.get(runId);
    const result = end === undefined ? work() : end.writing.then(work);
    const writing = result.then(
      () => undefined,
      () => undefined,
    );
    this.#ends.set(runId, { sequence: end?.sequence ?? 0, writing });
    this.#forgetOldest();
    return result;
  }

  #know(runId: string, sequence: number): void {
    const writing = this.#ends.get(runId)?.writing ?? Promise.resolve();
    this.#ends.delete(runId);
    this.#ends.set(runId, { sequence, writing });
  }

  #forgetOldest(): void {
    if (this.#ends.size <= MAX_KNOWN_RUNS) return;
    const [oldest] = this.#ends.keys();
    if (oldest !== undefined) this.#ends.delete(oldest);
  }

  #headers(mark: Mark) {
    const made = headers();
    made.set(MARK, mark);
    made.set(OWNER, this.#owner);
    return made;
  }

  #subject(runId: string): string {
    return this.#layout.journal(this.#key.runToken(runId));
  }
}

interface RunEnd {
  /** Of the last message that is known. */
  readonly sequence: number;
  readonly writing: Promise<void>;
}

function markOf(message: StoredMessage): string {
  return message.headers.get(MARK.toLowerCase()) ?? '';
}

/** Whether this host may go on behind a message without having read it. */
function isFree(message: StoredMessage, owner: string): boolean {
  return ['cleared', 'ended'].includes(markOf(message)) || message.headers.get(OWNER.toLowerCase()) === owner;
}

function entriesOf(runId: string, messages: readonly StoredMessage[]): JournalEntry[] {
  const entries = new Map<number, string>();
  for (const message of messages) {
    if (markOf(message) === 'cleared') entries.clear();
    if (markOf(message) !== 'entries') continue;
    for (const [ordinal, entry] of JSON.parse(message.text) as [number, string][])
      entries.set(ordinal, entry);
  }
  return [...entries].sort(([a], [b]) => a - b).map(([ordinal, entry]) => ({ runId, ordinal, entry }));
}

function partsOf(entries: readonly JournalEntry[]): JournalEntry[][] {
  const parts: JournalEntry[][] = [];
  let characters = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    characters += entry.entry.length;
    if (characters > MAX_MESSAGE_CHARACTERS) {
      parts.push([]);
      characters = entry.entry.length;
    }
    parts.at(-1)?.push(entry);
  }
  return parts;
}

function pairOf(
  runId: string,
  entries: readonly JournalEntry[] | undefined,
): [string, readonly JournalEntry[]][] {
  return entries === undefined ? [] : [[runId, entries]];
}

function taken(): GtpackError {
  return new GtpackError('run_taken', 'Another host goes on with this run: its event was delivered there.', {
    cure: 'Nothing. Where it comes often, the network between this host and the NATS server drops connections.',
  });
}
