import type { Statements } from './statements.ts';
import type { OperationOf, Pulled, StoredEvent } from './wire.ts';

/** A pull stops after this much JSON, so that one tenant's large events do not hold up a commit. */
const MAX_PULLED_CHARACTERS = 1024 * 1024;

/** Reads what waits on the disk, inside the transaction of the batch. Runs in the store's thread. */
export class Backlog {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  pull(operation: OperationOf<'pull'>, now: number): Pulled {
    const { tenant, after, limit, leasedRetries } = operation;
    if (operation.ordered) return this.#pullInOrder(operation, now);
    const events: StoredEvent[] = [];
    const leased = new Set(leasedRetries);
    let characters = 0;
    const isFull = (): boolean => events.length >= limit || characters >= MAX_PULLED_CHARACTERS;
    const take = (sequence: number, attempts: number): void => {
      const event = this.#read(sequence, attempts);
      characters += event.json.length;
      events.push(event);
    };

    let nextDue: number | null = null;
    for (const row of this.#statements.retries.iterate(tenant)) {
      const sequence = row.sequence as number;
      const availableAt = row.available_at as number;
      if (leased.has(sequence)) continue;
      if (availableAt > now || isFull()) {
        nextDue = availableAt;
        break;
      }
      take(sequence, row.attempts as number);
    }

    let more = false;
    if (after !== null)
      for (const row of this.#statements.fresh.iterate(tenant, after)) {
        if (isFull()) {
          more = true;
          break;
        }
        take(row.sequence as number, 0);
      }
    return { events, more, nextDue };
  }

  /** The oldest events up to the first that was put off; that one alone, once it is due. */
  #pullInOrder({ tenant, after, limit }: OperationOf<'pull'>, now: number): Pulled {
    const putOff = this.#statements.oldestRetry.get(tenant);
    const end = (putOff?.sequence as number | undefined) ?? Number.POSITIVE_INFINITY;
    const events: StoredEvent[] = [];
    let characters = 0;
    for (const row of this.#statements.fresh.iterate(tenant, after ?? 0)) {
      const sequence = row.sequence as number;
      if (sequence > end) break;
      if (events.length >= limit || characters >= MAX_PULLED_CHARACTERS)
        return { events, more: true, nextDue: null };
      const event = this.#read(sequence, 0);
      characters += event.json.length;
      events.push(event);
    }
    if (putOff === undefined) return { events, more: false, nextDue: null };
    if (events.length > 0) return { events, more: true, nextDue: null };
    const availableAt = putOff.available_at as number;
    if (availableAt > now) return { events, more: true, nextDue: availableAt };
    return { events: [this.#read(end, putOff.attempts as number)], more: true, nextDue: null };
  }

  #read(sequence: number, attempts: number): StoredEvent {
    const row = this.#statements.readEvent.get(sequence);
    if (row === undefined) throw new Error(`event ${sequence} is pending and not stored`);
    const event = {
      sequence,
      attempt: attempts + 1,
      id: row.id as string,
      type: row.type as StoredEvent['type'],
      json: row.json as string,
      replayed: row.replayed === 1,
    };
    return row.schedule === null ? event : { ...event, schedule: row.schedule as string };
  }
}
