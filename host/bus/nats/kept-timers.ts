import { GtpackError } from '../../errors.ts';
import type { EventMessage } from '../bus.ts';
import type { Owner } from '../owner.ts';
import { awaitedOf, parkedRuns } from '../parked.ts';
import type {
  DueTimers,
  ListedTimer,
  StoredTimer,
  Timer,
  TimerPage,
  TimerQueue,
  TimerStore,
  WaitingTimers,
} from '../timers.ts';
import { WaitIndex, type Waits } from '../waits.ts';
import type { KeptStream } from './kept-stream.ts';
import type { LedgerDecision } from './ledger.ts';
import type { Usage } from './ledger-record.ts';
import type { Ledgers } from './ledgers.ts';
import type { StoredMessage } from './stream-api.ts';
import { TimerFeed, type TimerMessage } from './timer-feed.ts';
import { TimerIndex } from './timer-index.ts';

type TimerListener = (queue: TimerQueue, dueAt: number) => void;

interface Parts {
  readonly stream: KeptStream;
  readonly ledgers: Ledgers;
  /** Stores an event; one whose id is known is stored once. */
  readonly publish: (owner: Owner, event: EventMessage) => Promise<unknown>;
}

/**
 * `timers` on NATS: a message for each timer, counted by its owner's ledger, and an index of them in each host, fed by
 * what all hosts set. It may name timers that are gone: what is due is read from the server before it fires.
 *
 * Every host fires what is due. Those that do at the same time publish one event, since its id is made of the timer and
 * its instant (B4), and one of them moves the timer on (B6). The event goes first: a host that dies in between leaves the
 * timer to the others, which publish the same event.
 */
export class KeptTimers implements TimerStore {
  readonly waits: Waits;
  readonly #waits = new WaitIndex();
  readonly #stream: KeptStream;
  readonly #ledgers: Ledgers;
  readonly #publish: Parts['publish'];
  readonly #index = new TimerIndex();
  readonly #feed: TimerFeed;
  readonly #listeners = new Set<TimerListener>();

  private constructor({ stream, ledgers, publish }: Parts) {
    this.#stream = stream;
    this.#ledgers = ledgers;
    this.#publish = publish;
    const waits = this.#waits;
    this.waits = {
      has: (tenant) => waits.has(tenant),
      catchUp: async (tenant) => {
        const last = await stream.last(stream.timer(parkedRuns(tenant), null));
        if (last !== null) await this.#feed.until(last.sequence);
      },
      find: (...asked) => waits.find(...asked),
    };
    this.#feed = new TimerFeed(stream, {
      stored: (message) => this.#stored(message),
      dropped: (subject, sequence) => this.#drop(subject, sequence),
    });
  }

  /** Reads what is there. @throws GtpackError `bus_unavailable` */
  static async open(parts: Parts): Promise<KeptTimers> {
    const timers = new KeptTimers(parts);
    await timers.#feed.start();
    return timers;
  }

  async close(): Promise<void> {
    await this.#feed.close();
  }

  async set(owner: Owner, timer: Timer, maxTimers: number): Promise<boolean> {
    const subject = this.#stream.timer(owner, timer.id);
    const body = textOf(owner, timer);
    const decide = (there: StoredMessage | null, usage: Usage): LedgerDecision<boolean> => {
      if (there !== null) return { outcome: true, body, usage };
      if (usage.timers >= maxTimers) return { outcome: false };
      return { outcome: true, body, usage: { ...usage, timers: usage.timers + 1 } };
    };
    const { outcome, sequence } = await this.#ledgers.run(owner, {
      ...{ subject, characters: body.length, decide },
    });
    // Without a sequence another host made the change, and the feed brings it.
    if (outcome && sequence > 0) this.#note(owner, timer, { subject, sequence, dueAt: timer.dueAt });
    return outcome;
  }

  /** How many an owner has. @throws GtpackError `bus_unavailable` */
  async count(owner: Owner): Promise<number> {
    const decide = (_: unknown, { timers }: Usage): LedgerDecision<number> => ({ outcome: timers });
    return (await this.#ledgers.run(owner, { subject: null, characters: 0, decide })).outcome;
  }

  async clear(owner: Owner, id: string): Promise<boolean> {
    const subject = this.#stream.timer(owner, id);
    const { outcome } = await this.#ledgers.run(owner, {
      ...{ subject, characters: 0 },
      decide: (there: StoredMessage | null, usage: Usage): LedgerDecision<number> =>
        there === null
          ? { outcome: 0 }
          : { outcome: there.sequence, body: null, usage: { ...usage, timers: usage.timers - 1 } },
    });
    if (outcome > 0) this.#gone(subject, outcome);
    return outcome > 0;
  }

  /** In the order in which they were set or moved last, read from the server one after the other. */
  async list(owner: Owner, after: string | null, limit: number): Promise<TimerPage> {
    const subject = this.#stream.timer(owner, null);
    const timers: ListedTimer[] = [];
    for (let from = placeOf(after); ; ) {
      const message = await this.#stream.next(subject, from);
      if (message === null) return { timers, next: null };
      if (timers.length === limit) return { timers, next: String(message.sequence) };
      const { id, dueAt, everyMs, type } = timerIn(message).timer;
      timers.push({ id, dueAt, everyMs, type });
      from = message.sequence + 1;
    }
  }

  async queues(): Promise<readonly WaitingTimers[]> {
    this.#stream.connection.checkReady();
    return this.#index.queues();
  }

  async get(owner: Owner, id: string): Promise<StoredTimer | null> {
    const subject = this.#stream.timer(owner, id);
    const found = await this.#stream.last(subject);
    if (found === null) this.#drop(subject);
    return found === null ? null : timerIn(found).timer;
  }

  async due(queue: TimerQueue, now: number, limit: number): Promise<DueTimers> {
    for (;;) {
      this.#stream.connection.checkReady();
      const first = this.#index.first(queue, limit + 1);
      const due = first.slice(0, limit).filter(({ dueAt }) => dueAt <= now);
      const found = await Promise.all(due.map(({ subject }) => this.#stream.last(subject)));
      const isSo = due.map(({ subject, sequence }, index) => this.#confirm(subject, sequence, found[index]));
      // One that was moved or cleared elsewhere makes room for others.
      if (isSo.includes(false)) continue;
      const timers = found.flatMap((message) => (message === null ? [] : [timerIn(message).timer]));
      return { timers, nextDueAt: first[due.length]?.dueAt ?? null };
    }
  }

  async fire(
    owner: Owner,
    { id, revision }: StoredTimer,
    { id: eventId, type, json, schedule }: EventMessage,
    nextDueAt: number | null,
  ): Promise<boolean> {
    const subject = this.#stream.timer(owner, id);
    const before = await this.#stream.last(subject);
    if (before === null || before.sequence !== revision) return false;
    const { timer } = timerIn(before);
    const more = schedule === undefined ? {} : { schedule };
    await this.#publish(owner, { id: eventId, type, json, ...more });
    const moved = nextDueAt === null ? null : { ...timer, dueAt: nextDueAt };
    const body = moved === null ? null : textOf(owner, moved);
    const { outcome, sequence } = await this.#ledgers.run(owner, {
      ...{ subject, characters: body?.length ?? 0 },
      decide: (there: StoredMessage | null, usage: Usage): LedgerDecision<boolean> => {
        if (there?.sequence !== revision) return { outcome: false };
        if (body !== null) return { outcome: true, body, usage };
        return { outcome: true, body, usage: { ...usage, timers: usage.timers - 1 } };
      },
    });
    if (!outcome) return false;
    if (moved === null) this.#gone(subject, revision);
    else if (sequence > 0)
      this.#index.set({ ...owner, type: moved.type }, { subject, sequence, dueAt: moved.dueAt });
    return true;
  }

  watch(listener: TimerListener): () => void {
    const heard: TimerListener = (queue, dueAt) => listener(queue, dueAt);
    this.#listeners.add(heard);
    return () => {
      this.#listeners.delete(heard);
    };
  }

  #gone(subject: string, sequence: number): void {
    this.#drop(subject, sequence);
    this.#feed.tellGone(subject, sequence);
  }

  /** @returns whether the index has it as it is */
  #confirm(subject: string, sequence: number, found: StoredMessage | null | undefined): boolean {
    if (found?.sequence === sequence) return true;
    this.#drop(subject, sequence);
    if (found !== null && found !== undefined) this.#stored(found);
    return false;
  }

  /** @param upTo a later one stays */
  #drop(subject: string, upTo?: number): void {
    this.#index.drop(subject, upTo);
    if (this.#index.get(subject) === undefined) this.#waits.drop(subject);
  }

  #stored(message: TimerMessage): void {
    const { owner, timer } = timerIn(message);
    const { subject, sequence } = message;
    this.#note(owner, timer, { subject, sequence, dueAt: timer.dueAt });
  }

  #note(
    { tenant, source }: Owner,
    { id, type, dueAt, metadata }: Pick<Timer, 'id' | 'type' | 'dueAt' | 'metadata'>,
    indexed: { readonly subject: string; readonly sequence: number; readonly dueAt: number },
  ): void {
    const queue = { tenant, source, type };
    // What this host set comes back by the feed: it is told once.
    if (!this.#index.set(queue, indexed)) return;
    const awaited = awaitedOf(queue, metadata);
    if (awaited === undefined) this.#waits.drop(indexed.subject);
    else this.#waits.add(indexed.subject, tenant, id, awaited);
    for (const listener of this.#listeners) listener(queue, dueAt);
  }
}

/** As a host wrote it: nobody else may write there. */
interface TimerText extends Timer {
  readonly tenant: Owner['tenant'];
  readonly source: string;
}

/** The place of the first timer that the page before left out. */
function placeOf(after: string | null): number {
  if (after === null) return 1;
  if (/^[1-9]\d{0,14}$/.test(after)) return Number(after);
  throw new GtpackError('timer_invalid', 'after: what a page of timers gave as next was expected.');
}

function textOf({ tenant, source }: Owner, timer: Timer): string {
  const { id, dueAt, everyMs, type, payload, metadata } = timer;
  const text: TimerText = { tenant, source, id, dueAt, everyMs, type, payload, metadata };
  return JSON.stringify(text);
}

function timerIn({ text, sequence }: TimerMessage): { readonly owner: Owner; readonly timer: StoredTimer } {
  const { tenant, source, ...timer } = JSON.parse(text) as TimerText;
  return { owner: { tenant, source }, timer: { ...timer, revision: sequence } };
}
