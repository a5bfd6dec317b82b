import { GtpackError } from '../../errors.ts';
import type { Owner } from '../owner.ts';
import type { Change, KeptStream } from './kept-stream.ts';
import { type LedgerRecord, ledgerText, NOTHING, readLedger, type Usage } from './ledger-record.ts';
import type { StoredMessage } from './stream-api.ts';

/** Changes in one record, and characters of their texts: a message of a server holds 1 MiB by default. */
const MAX_BATCH = 64;
const MAX_BATCH_CHARACTERS = 256 * 1024;
/** How often another host may be faster before it is said. */
const MAX_TRIES = 64;

/** Something to do under a ledger. */
export interface LedgerTask<T> {
  /** What it may change; null where it changes the counts alone. */
  readonly subject: string | null;
  /** About how many characters it writes. */
  readonly characters: number;
  /** Pure: it is asked again where another host was faster. */
  readonly decide: (there: StoredMessage | null, usage: Usage) => LedgerDecision<T>;
}

export interface LedgerDecision<T> {
  readonly outcome: T;
  /** The counts with it; without them nothing is written. */
  readonly usage?: Usage;
  /** What the subject holds from now on; null for nothing. Without it, what is there stays. */
  readonly body?: string | null;
}

export interface LedgerOutcome<T> {
  readonly outcome: T;
  /** Of what was written; 0 where nothing was, or it is not known. */
  readonly sequence: number;
}

interface Waiting {
  readonly task: LedgerTask<unknown>;
  readonly resolve: (outcome: LedgerOutcome<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What one owner keeps, under exact counts, whatever hosts write at once.
 *
 * A write is one record on the ledger's subject, which names the record that it follows: of two hosts one is refused,
 * and reads again. The record has the new counts and the changes themselves. Once it is stored the changes are made; if
 * the host dies in between, whoever writes next makes them first. So the counts never fall behind what is there, and a
 * promise resolves after the changes are made (B1).
 */
export class Ledger {
  readonly #stream: KeptStream;
  readonly #subject: string;
  #waiting: Waiting[] = [];
  #isWorking = false;
  /** The last record that is known, with its changes made. */
  #last: { readonly sequence: number; readonly usage: Usage } | undefined;

  constructor(stream: KeptStream, owner: Owner) {
    this.#stream = stream;
    this.#subject = stream.ledger(owner);
  }

  /** Nothing waits here: it may be forgotten. */
  get isIdle(): boolean {
    return !this.#isWorking && this.#waiting.length === 0;
  }

  /** @throws GtpackError `bus_unavailable`, `bus_disk_full`: whether it was done is not known then, but never in part */
  run<T>(task: LedgerTask<T>): Promise<LedgerOutcome<T>> {
    return new Promise((resolve, reject) => {
      // The outcome is of this task, so of its type.
      this.#waiting.push({ task, resolve: resolve as Waiting['resolve'], reject });
      if (!this.#isWorking) void this.#work();
    });
  }

  /** One batch after the other; what comes meanwhile waits for the next. */
  async #work(): Promise<void> {
    this.#isWorking = true;
    // What was asked for in this turn goes together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        const outcomes = await this.#perform(batch.map(({ task }) => task));
        for (const [index, { resolve }] of batch.entries()) {
          const outcome = outcomes[index];
          if (outcome !== undefined) resolve(outcome);
        }
      } catch (error) {
        this.#last = undefined;
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isWorking = false;
  }

  /** Each subject once: what is there is read before any of them is decided. */
  #takeBatch(): Waiting[] {
    const subjects = new Set<string>();
    let characters = 0;
    let count = 0;
    for (const { task } of this.#waiting) {
      if (count === MAX_BATCH || (count > 0 && characters + task.characters > MAX_BATCH_CHARACTERS)) break;
      if (task.subject !== null && subjects.has(task.subject)) break;
      if (task.subject !== null) subjects.add(task.subject);
      characters += task.characters;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #perform(tasks: readonly LedgerTask<unknown>[]): Promise<LedgerOutcome<unknown>[]> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const last = this.#last ?? (await this.#load());
      const there = await Promise.all(
        tasks.map(({ subject }) => (subject === null ? null : this.#stream.last(subject))),
      );
      const changes: Change[] = [];
      const placeOf = new Map<number, number>();
      let usage = last.usage;
      const outcomes = tasks.map(({ subject, decide }, index) => {
        const found = there[index] ?? null;
        const decision = decide(found, usage);
        usage = decision.usage ?? usage;
        if (decision.body === undefined || subject === null) return decision.outcome;
        placeOf.set(index, changes.length);
        changes.push({ subject, base: found?.sequence ?? 0, body: decision.body });
        return decision.outcome;
      });
      const sequences = await this.#write(last, usage, changes);
      if (sequences === undefined) {
        this.#last = undefined;
        continue;
      }
      return outcomes.map((outcome, index) => {
        const place = placeOf.get(index);
        return { outcome, sequence: place === undefined ? 0 : (sequences[place] ?? 0) };
      });
    }
    throw new GtpackError('bus_unavailable', 'Other hosts write at what this provider keeps all the time.');
  }

  /** @returns the sequences of the changes; undefined where another host was faster, and nothing was written */
  async #write(
    last: { readonly sequence: number; readonly usage: Usage },
    usage: Usage,
    changes: readonly Change[],
  ): Promise<readonly number[] | undefined> {
    if (usage === last.usage && changes.length === 0) {
      // Refusals, too, are decided on what is so now.
      const now = await this.#stream.last(this.#subject);
      return (now?.sequence ?? 0) === last.sequence ? [] : undefined;
    }
    const body = ledgerText({ usage, changes });
    const sequence = await this.#stream.apply({ subject: this.#subject, base: last.sequence, body });
    if (sequence === undefined) return undefined;
    this.#last = undefined;
    const sequences = await this.#make({ usage, changes }, sequence);
    this.#last = { sequence, usage };
    return sequences;
  }

  async #load(): Promise<{ readonly sequence: number; readonly usage: Usage }> {
    const found = await this.#stream.last(this.#subject);
    if (found === null) {
      this.#last = { sequence: 0, usage: NOTHING };
      return this.#last;
    }
    const record = readLedger(found.text);
    await this.#make(record, found.sequence);
    this.#last = { sequence: found.sequence, usage: record.usage };
    return this.#last;
  }

  /** A change that does not fit any more was made already: none is made but by a ledger's last record. */
  #make({ changes }: LedgerRecord, sequence: number): Promise<number[]> {
    return Promise.all(
      changes.map(async (change, index) => {
        const messageId = `${this.#subject}/${sequence}/${index}`;
        return (await this.#stream.apply(change, messageId)) ?? 0;
      }),
    );
  }
}
