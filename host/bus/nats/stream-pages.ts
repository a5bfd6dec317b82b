import type { Page } from '../records.ts';
import type { Connection } from './connection.ts';
import { getMessage, type StoredMessage } from './stream-api.ts';

/** What a page costs at most: messages read from the server, one after the other. */
const MAX_READS = 400;
const MAX_ITEMS = 100;
const WIDER = 8;

export interface PageOrder<T> {
  readonly stream: string;
  /** Subject, with wildcards. */
  readonly subject: string;
  readonly order: 'newest' | 'oldest';
  readonly limit: number;
  /** `next` of the page before. */
  readonly after: string | undefined;
  /** What a message gives: in order, the oldest first. */
  readonly itemsOf: (message: StoredMessage) => readonly T[];
}

/** A place between items: behind so many of those that the message at the sequence gives, in the order of the page. */
interface Place {
  readonly sequence: number;
  readonly given: number;
}

/**
 * A page of what the messages of a stream give. Streams are read upwards only: the newest are found by reading windows,
 * each of them below the one before, wider and wider where they are empty.
 * @throws GtpackError `bus_unavailable`; RangeError for an `after` that no page gave
 */
export async function readPage<T>(connection: Connection, order: PageOrder<T>): Promise<Page<T>> {
  const place = placeOf(order.after);
  const reader = new Reader(connection, order);
  const page = new FilledPage<T>(Math.min(order.limit, MAX_ITEMS), place);
  if (order.order === 'oldest') {
    for await (const message of reader.upwards(place?.sequence ?? 1)) {
      if (page.add(message.sequence, order.itemsOf(message))) return page.cut();
    }
    return reader.isSpent ? page.cut() : page.end();
  }
  let high = place?.sequence ?? (await reader.last());
  let width = page.limit * 2;
  while (high > 0) {
    const low = Math.max(1, high - width + 1);
    const found: StoredMessage[] = [];
    for await (const message of reader.upwards(low, high)) found.push(message);
    for (const message of found.toReversed())
      if (page.add(message.sequence, order.itemsOf(message).toReversed())) return page.cut();
    page.pass(low);
    if (reader.isSpent) return page.cut();
    if (found.length === 0) width *= WIDER;
    high = low - 1;
  }
  return page.end();
}

class Reader {
  readonly #connection: Connection;
  readonly #stream: string;
  readonly #subject: string;
  #reads = 0;

  constructor(
    connection: Connection,
    { stream, subject }: { readonly stream: string; readonly subject: string },
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#subject = subject;
  }

  /** No more is read for this page, once the window is through. */
  get isSpent(): boolean {
    return this.#reads >= MAX_READS;
  }

  async last(): Promise<number> {
    const message = await getMessage(this.#connection, this.#stream, { last_by_subj: this.#subject });
    return message?.sequence ?? 0;
  }

  /** Up to a sequence, all of them; without one, until the reader is spent. */
  async *upwards(from: number, to?: number): AsyncGenerator<StoredMessage> {
    for (let seq = from; to === undefined ? !this.isSpent : seq <= to; ) {
      this.#reads += 1;
      const query = { seq, next_by_subj: this.#subject };
      const message = await getMessage(this.#connection, this.#stream, query);
      if (message === null || (to !== undefined && message.sequence > to)) return;
      yield message;
      seq = message.sequence + 1;
    }
  }
}

class FilledPage<T> {
  readonly limit: number;
  readonly #items: T[] = [];
  readonly #start: Place | undefined;
  #next: Place | undefined;

  constructor(limit: number, start: Place | undefined) {
    this.limit = limit;
    this.#start = start;
  }

  /** @returns whether the page is full */
  add(sequence: number, items: readonly T[]): boolean {
    let given = sequence === this.#start?.sequence ? this.#start.given : 0;
    for (const item of items.slice(given)) {
      if (this.#items.length === this.limit) {
        this.#next = { sequence, given };
        return true;
      }
      this.#items.push(item);
      given += 1;
    }
    this.#next = { sequence, given };
    return false;
  }

  /** Nothing down to the sequence is left. */
  pass(sequence: number): void {
    this.#next = { sequence, given: Number.MAX_SAFE_INTEGER };
  }

  cut(): Page<T> {
    const { sequence, given } = this.#next ?? { sequence: 1, given: 0 };
    return { items: this.#items, next: `${sequence}.${given}` };
  }

  end(): Page<T> {
    return { items: this.#items, next: null };
  }
}

function placeOf(after: string | undefined): Place | undefined {
  if (after === undefined) return undefined;
  const [sequence, given, ...more] = after.split('.').map(Number);
  if (more.length === 0 && Number.isSafeInteger(sequence) && Number.isSafeInteger(given))
    return { sequence: sequence ?? 0, given: given ?? 0 };
  throw new RangeError(`after: expected what a page gave, got ${JSON.stringify(after)}`);
}
