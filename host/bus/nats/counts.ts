import { errorMessage, GtpackError } from '../../errors.ts';
import { MAX_TYPE_TOKENS, parseEventType, type TenantId } from '../../event/names.ts';
import type { TenantCounts } from '../bus.ts';
import { AckPolicy, DeliverPolicy, ReplayPolicy } from './client.ts';
import type { Connection } from './connection.ts';
import type { EventMessages } from './event-message.ts';
import { split } from './incoming.ts';
import type { Layout } from './layout.ts';
import { getMessage, getSubjects, type StoredMessage } from './stream-api.ts';

/** What a tenant's consumer has before it, as the server says. */
export interface Waiting {
  /** Not given to any host, results among them. */
  readonly pending: number;
  /** Given to hosts, and not acknowledged. */
  readonly out: number;
  /** Up to here the consumer was given everything. */
  readonly given: number;
  /** Up to here all of it is acknowledged. */
  readonly floor: number;
}

export interface CountsParts {
  readonly connection: Connection;
  readonly layout: Layout;
  readonly messages: EventMessages;
  /** @throws GtpackError `bus_unavailable` */
  readonly waiting: () => Promise<ReadonlyMap<TenantId, Waiting>>;
}

/** Counts are as old as this at most. */
const FRESH_MS = 1000;
/** Tenants, the largest backlogs first, whose results are told from their events: a few milliseconds of the server each. */
const MAX_SORTED = 64;
/** Tenants, those that stand furthest back first, whose oldest event is looked for: a third of a millisecond each. */
const MAX_OLDEST = 1000;
const AT_ONCE = 16;
/** Results are acknowledged unread, so few of them lie in front of what waits. */
const MAX_RESULTS_PASSED = 16;
/** What the counting leaves at a server whose host dies over it goes by itself. */
const LEFT_MS = 5000;
const RESULT = '.result';

interface Asked {
  readonly at: number;
  readonly counts: Promise<ReadonlyMap<TenantId, TenantCounts>>;
  /** A server that takes long is not asked again meanwhile. */
  isUnderWay: boolean;
}

/** What waits and what died, as the server counts it: asked at most once a second, whoever asks here and how often. */
export class NatsCounts {
  readonly #parts: CountsParts;
  readonly #letters: LetterCounts;
  #asked: Asked | undefined;

  constructor(parts: CountsParts) {
    this.#parts = parts;
    this.#letters = new LetterCounts(parts.connection, parts.layout);
  }

  /** @throws GtpackError `bus_unavailable` */
  async counts(): Promise<ReadonlyMap<TenantId, TenantCounts>> {
    this.#parts.connection.checkReady();
    const known = this.#asked;
    if (known !== undefined && (known.isUnderWay || performance.now() - known.at < FRESH_MS))
      return known.counts;
    const asked: Asked = { at: performance.now(), counts: this.#count(), isUnderWay: true };
    this.#asked = asked;
    try {
      return await asked.counts;
    } catch (error) {
      this.#asked = undefined;
      throw error;
    } finally {
      asked.isUnderWay = false;
    }
  }

  async #count(): Promise<ReadonlyMap<TenantId, TenantCounts>> {
    const [waiting, dead] = await Promise.all([this.#parts.waiting(), this.#letters.counts()]);
    const pending = await this.#eventsOf(waiting);
    const oldest = await this.#oldestOf(waiting, pending);
    const counts = new Map<TenantId, TenantCounts>();
    for (const tenant of new Set([...waiting.keys(), ...dead.keys()])) {
      const oldestAt = oldest.get(tenant);
      counts.set(tenant, {
        pending: pending.get(tenant) ?? 0,
        deadLetters: dead.get(tenant) ?? 0,
        ...(oldestAt === undefined ? {} : { oldestAt }),
      });
    }
    return counts;
  }

  /** Results are on the consumer's way, too: they are counted apart, from where it stands, and taken off. */
  async #eventsOf(waiting: ReadonlyMap<TenantId, Waiting>): Promise<ReadonlyMap<TenantId, number>> {
    const events = new Map<TenantId, number>();
    for (const [tenant, { pending, out }] of waiting) events.set(tenant, pending + out);
    const largest = [...waiting].filter(([, { pending }]) => pending > 0);
    largest.sort(([, one], [, other]) => other.pending - one.pending);
    await inTurns(largest.slice(0, MAX_SORTED), async ([tenant, { pending, out, given }]) => {
      const results = await this.#resultsBehind(tenant, given);
      events.set(tenant, Math.max(0, pending - results) + out);
    });
    return events;
  }

  /** No subject means all results, so each length that a type of them has is counted by itself. */
  async #resultsBehind(tenant: TenantId, position: number): Promise<number> {
    const { connection, layout } = this.#parts;
    const all = layout.eventsOf(tenant);
    const subjects = await this.#ask(getSubjects(connection, layout.events, all));
    // Senders choose the types of events: of too many to read, a result may have any length.
    const lengths =
      subjects === null
        ? Array.from({ length: MAX_TYPE_TOKENS }, (_, index) => index + 1)
        : subjects
            .filter((subject) => subject.endsWith(RESULT))
            .map((subject) => subject.slice(all.length - 1).split('.').length - 1);
    let results = 0;
    for (const tokens of new Set(lengths))
      results += await this.#countBehind(`${all.slice(0, -1)}${'*.'.repeat(tokens)}result`, position);
    return results;
  }

  /** A consumer that nobody asks for anything: making it counts what is before it. */
  async #countBehind(filter: string, position: number): Promise<number> {
    const { connection, layout } = this.#parts;
    const { consumers } = connection.manager;
    const { name, num_pending: count } = await this.#ask(
      consumers.add(layout.events, {
        filter_subject: filter,
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: position + 1,
        replay_policy: ReplayPolicy.Instant,
        mem_storage: true,
        num_replicas: 1,
        inactive_threshold: LEFT_MS * 1_000_000,
      }),
    );
    await consumers.delete(layout.events, name).catch(() => undefined);
    return count;
  }

  async #oldestOf(
    waiting: ReadonlyMap<TenantId, Waiting>,
    events: ReadonlyMap<TenantId, number>,
  ): Promise<ReadonlyMap<TenantId, number>> {
    const oldest = new Map<TenantId, number>();
    const some = [...waiting].filter(([tenant]) => (events.get(tenant) ?? 0) > 0);
    some.sort(([, one], [, other]) => one.floor - other.floor);
    await inTurns(some.slice(0, MAX_OLDEST), async ([tenant, { out, given, floor }]) => {
      const storedAt = await this.#firstBehind(tenant, out > 0 ? floor : given);
      if (storedAt !== undefined) oldest.set(tenant, storedAt);
    });
    return oldest;
  }

  /** @returns when the first event behind a position was published; behind too many results, when the last of these was */
  async #firstBehind(tenant: TenantId, position: number): Promise<number | undefined> {
    const { connection, layout } = this.#parts;
    const subject = layout.eventsOf(tenant);
    let found: StoredMessage | null = null;
    for (let passed = 0; passed <= MAX_RESULTS_PASSED; passed += 1) {
      const seq = (found?.sequence ?? position) + 1;
      const next = await getMessage(connection, layout.events, { seq, next_by_subj: subject });
      if (next === null) return undefined;
      found = next;
      if (!next.subject.endsWith(RESULT)) return this.#publishedAt(next);
    }
    return found?.storedAt;
  }

  #publishedAt({ subject, text, headers, storedAt }: StoredMessage): number {
    const [, rest] = split(subject.slice(this.#parts.layout.allEvents.length - 1));
    try {
      const given = { get: (name: string) => headers.get(name.toLowerCase()) ?? '' };
      const known = this.#parts.messages.decode(subject, parseEventType(rest), Buffer.from(text), given);
      return known?.at ?? storedAt;
    } catch {
      return storedAt;
    }
  }

  async #ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (cause) {
      throw new GtpackError(
        'bus_unavailable',
        `The NATS server does not say what waits: ${errorMessage(cause)}.`,
        { cause },
      );
    }
  }
}

/** Each letter has a subject of its own, so counting them costs: done again only once one came or went. */
class LetterCounts {
  readonly #connection: Connection;
  readonly #layout: Layout;
  #last: { readonly state: string; readonly counts: ReadonlyMap<TenantId, number> } | undefined;

  constructor(connection: Connection, layout: Layout) {
    this.#connection = connection;
    this.#layout = layout;
  }

  async counts(): Promise<ReadonlyMap<TenantId, number>> {
    const state = stateText(await this.#info());
    if (this.#last?.state === state) return this.#last.counts;
    const all = this.#layout.letter('*', '*', '*');
    const info = await this.#info(all);
    const from = all.indexOf('*');
    const counts = new Map<TenantId, number>();
    for (const [subject, count] of Object.entries(info.state.subjects ?? {})) {
      const [tenant] = split(subject.slice(from));
      counts.set(tenant as TenantId, (counts.get(tenant as TenantId) ?? 0) + count);
    }
    this.#last = { state: stateText(info), counts };
    return counts;
  }

  async #info(subjects?: string): ReturnType<Connection['manager']['streams']['info']> {
    const { streams } = this.#connection.manager;
    try {
      const { letters } = this.#layout;
      return await (subjects === undefined
        ? streams.info(letters)
        : streams.info(letters, { subjects_filter: subjects }));
    } catch (cause) {
      throw new GtpackError('bus_unavailable', 'The NATS server does not count the dead letters.', { cause });
    }
  }
}

/** Another one with each message that comes or goes. */
function stateText({
  state,
}: {
  readonly state: { readonly messages: number; readonly first_seq: number; readonly last_seq: number };
}): string {
  return `${state.messages} ${state.first_seq} ${state.last_seq}`;
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const lanes = Array.from({ length: AT_ONCE }, async () => {
    for (const item of left) await work(item);
  });
  await Promise.all(lanes);
}
