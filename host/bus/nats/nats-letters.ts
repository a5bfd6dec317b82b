import type {
  DeadLetter,
  DeadLetterHead,
  DeadLetters,
  LetterQuery,
  LetterRef,
  Page,
  Replay,
} from '../records.ts';
import type { Claims } from './claims.ts';
import type { Connection } from './connection.ts';
import type { HostKey } from './host-key.ts';
import type { Journals } from './journals.ts';
import type { Layout } from './layout.ts';
import type { Publisher } from './publisher.ts';
import type { Letter, Settlements } from './settlements.ts';
import { deleteMessage, getMessage, type StoredMessage, store } from './stream-api.ts';
import { readPage } from './stream-pages.ts';

export interface LetterParts {
  readonly connection: Connection;
  readonly layout: Layout;
  readonly key: HostKey;
  readonly claims: Claims;
  readonly journals: Journals;
  readonly publisher: Publisher;
  readonly settlements: Settlements;
  /** Tells this host apart from all others. */
  readonly name: string;
  readonly now: () => number;
}

/** A replay that another host began is taken over after so long: that host is gone. */
const REPLAY_MS = 60_000;

/**
 * Dead letters on their stream. What an operator does to one is done in steps that may be repeated, and the letter is
 * taken away in the last: a crash leaves a letter that can be replayed or dropped again.
 */
export class NatsLetters implements DeadLetters {
  readonly #parts: LetterParts;
  /** What this host does to letters at present. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(parts: LetterParts) {
    this.#parts = parts;
  }

  list(query: LetterQuery): Promise<Page<DeadLetterHead>> {
    const { connection, layout, key } = this.#parts;
    const { tenant, id, type, since = 0, order, limit, after } = query;
    // An id is named per tenant; over all of them its letters are picked out.
    const token = tenant !== undefined && id !== undefined ? key.idToken(tenant, id) : '*';
    return readPage(connection, {
      stream: layout.letters,
      subject: layout.letter(tenant ?? '*', token, '*'),
      order,
      limit,
      after,
      itemsOf: (message) => {
        const letter = letterOf(message);
        const isWanted =
          (id === undefined || letter.id === id) &&
          (type === undefined || letter.type === type) &&
          letter.finishedAt >= since;
        return isWanted ? [headOf(letter)] : [];
      },
    });
  }

  async get(ref: LetterRef): Promise<DeadLetter | null> {
    const found = await this.#find(ref);
    if (found === null) return null;
    const { eventJson, runsJson } = found.letter;
    return { ...headOf(found.letter), eventJson, runsJson };
  }

  replay(ref: LetterRef, options: { readonly fromStart: boolean }): Promise<Replay> {
    return this.#inTurn(ref, () => this.#replay(ref, options));
  }

  drop(ref: LetterRef): Promise<boolean> {
    return this.#inTurn(ref, () => this.#drop(ref));
  }

  /** What this host does to a letter goes one after the other; that of others meets at `#begin`. */
  async #inTurn<T>({ tenant, position }: LetterRef, work: () => Promise<T>): Promise<T> {
    const letter = `${tenant} ${position}`;
    const before = this.#busy.get(letter);
    const done = before === undefined ? work() : before.then(work, work);
    this.#busy.set(letter, done);
    try {
      return await done;
    } finally {
      if (this.#busy.get(letter) === done) this.#busy.delete(letter);
    }
  }

  async #replay(ref: LetterRef, { fromStart }: { readonly fromStart: boolean }): Promise<Replay> {
    const { claims, journals, publisher, settlements } = this.#parts;
    const found = await this.#find(ref);
    if (found === null || this.#isUnderWay(found.letter)) return { outcome: 'gone' };
    const { tenant, position } = ref;
    const { letter } = found;
    if (await this.#isSuperseded(letter)) return { outcome: 'superseded' };
    const sequence = await this.#begin(found, fromStart);
    if (sequence === null) return { outcome: 'gone' };
    if (fromStart) await Promise.all(letter.runs.map(({ runId }) => journals.clear(runId)));
    else await journals.restore(letter.recorded);
    const { id, type, eventJson: json, schedule } = letter;
    const event = schedule === undefined ? { id, type, json } : { id, type, json, schedule };
    const isSound = letter.unsound === undefined;
    const stored = await publisher.replay(tenant, event, { position, fromStart }, isSound);
    if (isSound) await claims.take(tenant, id, stored, position);
    await settlements.letterGoes(tenant, position);
    await this.#remove(letter, sequence);
    return { outcome: 'replayed', runs: letter.runs };
  }

  async #drop(ref: LetterRef): Promise<boolean> {
    const { journals, settlements } = this.#parts;
    const found = await this.#find(ref);
    if (found === null || this.#isUnderWay(found.letter)) return false;
    const { letter } = found;
    // As a replay begins: one that began meanwhile has the journals for its own.
    const sequence = await this.#begin(found, false);
    if (sequence === null) return false;
    if (!(await this.#isSuperseded(letter)) && !(await this.#hasEarlier(letter)))
      await Promise.all(letter.runs.map(({ runId }) => journals.clear(runId)));
    await settlements.letterGoes(ref.tenant, ref.position);
    return this.#remove(letter, sequence);
  }

  async #find({ tenant, position }: LetterRef): Promise<FoundLetter | null> {
    const { connection, layout } = this.#parts;
    const query = { last_by_subj: layout.letter(tenant, '*', position) };
    const message = await getMessage(connection, layout.letters, query);
    return message === null
      ? null
      : { subject: message.subject, sequence: message.sequence, letter: letterOf(message) };
  }

  #isUnderWay({ replay }: Letter): boolean {
    const { name, now } = this.#parts;
    return replay !== undefined && replay.by !== name && now() - replay.at < REPLAY_MS;
  }

  /** Of several that replay one letter, the first goes on. @returns where the letter is now */
  async #begin({ subject, sequence, letter }: FoundLetter, fromStart: boolean): Promise<number | null> {
    const { connection, name, now } = this.#parts;
    const body = JSON.stringify({ ...letter, replay: { by: name, at: now(), fromStart } } satisfies Letter);
    const stored = await store(connection, subject, body, { after: sequence });
    if (stored.kind === 'conflict') return null;
    // The one before is the same letter.
    await deleteMessage(connection, this.#parts.layout.letters, sequence);
    return stored.sequence;
  }

  async #remove({ toldAt }: Letter, sequence: number): Promise<boolean> {
    const { connection, layout } = this.#parts;
    if (toldAt > 0) await deleteMessage(connection, layout.letters, toldAt);
    return deleteMessage(connection, layout.letters, sequence);
  }

  /** The same id came again, outside of the window. Its runs have the same ids, and so the same journals. */
  async #isSuperseded({ tenant, id, position, storedAt }: Letter): Promise<boolean> {
    const claim = await this.#parts.claims.find(tenant, id);
    if (claim !== null && claim.position > position) return true;
    // Published here, and not claimed by a consumer yet.
    return this.#parts.publisher.hasRecent(tenant, id, storedAt);
  }

  async #hasEarlier({ tenant, id, position }: Letter): Promise<boolean> {
    const { connection, layout, key } = this.#parts;
    const subject = layout.letter(tenant, key.idToken(tenant, id), '*');
    for (let seq = 1; ; ) {
      const message = await getMessage(connection, layout.letters, { seq, next_by_subj: subject });
      if (message === null) return false;
      if (letterOf(message).position < position) return true;
      seq = message.sequence + 1;
    }
  }
}

interface FoundLetter {
  readonly subject: string;
  readonly sequence: number;
  readonly letter: Letter;
}

function letterOf(message: StoredMessage): Letter {
  return JSON.parse(message.text) as Letter;
}

function headOf({
  tenant,
  position,
  id,
  type,
  reason,
  attempts,
  storedAt,
  finishedAt,
  runs,
}: Letter): DeadLetterHead {
  return { tenant, position, id, type, reason, attempts, storedAt, diedAt: finishedAt, runs };
}
