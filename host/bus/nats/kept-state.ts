import { Buffer } from 'node:buffer';
import type { Scheduler } from '../embedded/scheduler.ts';
import type { Owner } from '../owner.ts';
import type {
  DeleteOutcome,
  StateOutcome,
  StateQuota,
  StateStore,
  StoredValue,
  ValueLife,
  WriteCondition,
} from '../state.ts';
import type { KeptStream } from './kept-stream.ts';
import type { LedgerDecision } from './ledger.ts';
import type { Usage } from './ledger-record.ts';
import type { Ledgers } from './ledgers.ts';
import type { StoredMessage } from './stream-api.ts';

/** Values that have expired and are taken away in one step. */
const MAX_EXPIRED_A_STEP = 64;
/** Owners whose values expire, and that this host has written for, are looked at that often. */
const ROUND_MS = 60_000;
const MAX_WATCHED = 10_000;

interface Parts {
  readonly stream: KeptStream;
  readonly ledgers: Ledgers;
  readonly scheduler: Scheduler;
}

/** A value as it lies on the stream: a line with its bytes and the instant of its end, and the text as it is. */
interface Kept extends StoredValue {
  /** Of key and value, as UTF-8. */
  readonly bytes: number;
  readonly expiresAt: number | null;
}

/** `state` on NATS: a message for each value, counted by its owner's ledger. */
export class KeptState implements StateStore {
  readonly #stream: KeptStream;
  readonly #ledgers: Ledgers;
  readonly #scheduler: Scheduler;
  /** Owners whose values expire, by their ledgers. */
  readonly #mortals = new Map<string, Owner>();
  #cancel: (() => void) | undefined;

  constructor({ stream, ledgers, scheduler }: Parts) {
    this.#stream = stream;
    this.#ledgers = ledgers;
    this.#scheduler = scheduler;
    this.#plan();
  }

  /** Sweeps nothing more. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async get(owner: Owner, key: string): Promise<StoredValue | null> {
    const found = await this.#stream.last(this.#stream.value(owner, key));
    const kept = this.#living(found);
    return kept === null ? null : { json: kept.json, revision: kept.revision };
  }

  async set(
    owner: Owner,
    key: string,
    json: string,
    quota: StateQuota,
    { ifRevision, ttlMs = null }: WriteCondition & ValueLife = {},
  ): Promise<StateOutcome> {
    const valueBytes = Buffer.byteLength(json);
    if (valueBytes > quota.maxValueBytes) return 'maxValueBytes';
    const bytes = Buffer.byteLength(key) + valueBytes;
    const expiresAt = ttlMs === null ? null : Math.ceil(this.#scheduler.now() + ttlMs);
    if (expiresAt !== null) this.#watch(owner);
    const decide = (there: StoredMessage | null, usage: Usage): LedgerDecision<StateOutcome> => {
      const kept = there === null ? null : keptIn(there);
      const before = this.#isLiving(kept) ? kept : null;
      if (ifRevision !== undefined && ifRevision !== (before?.revision ?? null))
        return { outcome: 'conflict' };
      const grown = {
        keys: usage.keys + (kept === null ? 1 : 0),
        bytes: usage.bytes + bytes - (kept?.bytes ?? 0),
      };
      // One that has expired is in the counts, but makes no room for what takes its place.
      if (before === null && grown.keys > quota.maxKeys) return { outcome: 'maxKeys' };
      if (bytes > (before?.bytes ?? 0) && grown.bytes > quota.maxBytes) return { outcome: 'maxBytes' };
      const body = `${bytes} ${expiresAt ?? ''}\n${json}`;
      return { outcome: 'stored', body, usage: { ...usage, ...grown, ...lifeOf(usage, expiresAt) } };
    };
    for (;;) {
      const task = { subject: this.#stream.value(owner, key), characters: json.length, decide };
      const { outcome } = await this.#ledgers.run(owner, task);
      const isFull = outcome === 'maxKeys' || outcome === 'maxBytes';
      // Each turn takes some that have expired away, so it ends.
      if (!isFull || !(await this.#expire(owner))) return outcome;
    }
  }

  async delete(owner: Owner, key: string, { ifRevision }: WriteCondition = {}): Promise<DeleteOutcome> {
    const decide = (there: StoredMessage | null, usage: Usage): LedgerDecision<DeleteOutcome> => {
      const before = this.#living(there);
      if (ifRevision !== undefined && ifRevision !== (before?.revision ?? null))
        return { outcome: 'conflict' };
      if (before === null) return { outcome: 'absent' };
      return { outcome: 'deleted', body: null, usage: without(usage, before) };
    };
    const task = { subject: this.#stream.value(owner, key), characters: 0, decide };
    return (await this.#ledgers.run(owner, task)).outcome;
  }

  #living(found: StoredMessage | null): Kept | null {
    const kept = found === null ? null : keptIn(found);
    return this.#isLiving(kept) ? kept : null;
  }

  #isLiving(kept: Kept | null): kept is Kept {
    return kept !== null && (kept.expiresAt === null || kept.expiresAt > this.#scheduler.now());
  }

  /** Takes away some of what has expired. @returns whether something was */
  async #expire(owner: Owner): Promise<boolean> {
    const now = this.#scheduler.now();
    const { outcome: seen } = await this.#ledgers.run(owner, {
      ...{ subject: null, characters: 0 },
      decide: (_there, usage) => ({ outcome: usage }),
    });
    if (seen.nextExpiry === null || seen.nextExpiry > now) return false;
    const expired: string[] = [];
    let next: number | null = null;
    const all = this.#stream.value(owner, null);
    for (let sequence = 1; expired.length < MAX_EXPIRED_A_STEP; ) {
      const found = await this.#stream.next(all, sequence);
      if (found === null) break;
      const { expiresAt } = keptIn(found);
      if (expiresAt !== null && expiresAt <= now) expired.push(found.subject);
      else if (expiresAt !== null) next = Math.min(next ?? expiresAt, expiresAt);
      sequence = found.sequence + 1;
    }
    await Promise.all(expired.map((subject) => this.#bury(owner, subject)));
    if (expired.length < MAX_EXPIRED_A_STEP) await this.#expectNext(owner, next, seen);
    return expired.length > 0;
  }

  async #bury(owner: Owner, subject: string): Promise<void> {
    const decide = (there: StoredMessage | null, usage: Usage): LedgerDecision<undefined> => {
      const kept = there === null ? null : keptIn(there);
      // Deleted, or set again meanwhile.
      if (kept === null || this.#isLiving(kept)) return { outcome: undefined };
      return { outcome: undefined, body: null, usage: without(usage, kept) };
    };
    await this.#ledgers.run(owner, { subject, characters: 0, decide });
  }

  /** All were looked at, unless one was set to expire meanwhile. */
  async #expectNext(owner: Owner, nextExpiry: number | null, { mortal }: Usage): Promise<void> {
    await this.#ledgers.run(owner, {
      ...{ subject: null, characters: 0 },
      decide: (_there, usage) =>
        usage.mortal === mortal
          ? { outcome: undefined, usage: { ...usage, nextExpiry } }
          : { outcome: undefined },
    });
    if (nextExpiry === null) this.#mortals.delete(this.#stream.ledger(owner));
  }

  /** Beyond the bound an owner's values go when it needs the room. */
  #watch(owner: Owner): void {
    if (this.#mortals.size < MAX_WATCHED) this.#mortals.set(this.#stream.ledger(owner), owner);
  }

  #plan(): void {
    this.#cancel = this.#scheduler.after(ROUND_MS, () => void this.#round());
  }

  /** One step for each owner, one after the other. */
  async #round(): Promise<void> {
    for (const owner of [...this.#mortals.values()]) {
      if (this.#cancel === undefined) return;
      // A server that is away keeps what is there; the next round finds it.
      await this.#expire(owner).catch(() => false);
    }
    if (this.#cancel !== undefined) this.#plan();
  }
}

function keptIn({ text, sequence }: StoredMessage): Kept {
  const end = text.indexOf('\n');
  const [bytes, expiresAt = ''] = text.slice(0, end).split(' ');
  return {
    json: text.slice(end + 1),
    revision: sequence,
    bytes: Number(bytes),
    expiresAt: expiresAt === '' ? null : Number(expiresAt),
  };
}

function without(usage: Usage, { bytes }: Kept): Usage {
  return { ...usage, keys: usage.keys - 1, bytes: usage.bytes - bytes };
}

function lifeOf({ nextExpiry, mortal }: Usage, expiresAt: number | null): Partial<Usage> {
  if (expiresAt === null) return {};
  return { nextExpiry: Math.min(nextExpiry ?? expiresAt, expiresAt), mortal: mortal + 1 };
}
