import { hash } from 'node:crypto';
import { errorMessage, GtpackError } from '../../errors.ts';
import type { EnvName } from '../../event/names.ts';
import type { Owner } from '../owner.ts';
import type { ScheduleName } from '../schedules.ts';
import type { Connection } from './connection.ts';
import { deleteMessage, getMessage, type StoredMessage, store } from './stream-api.ts';

const PART = { ledger: 'ledger', state: 'state', timer: 'timer', schedule: 'schedule' } as const;

/** A change of one subject, against what was there when it was decided. */
export interface Change {
  readonly subject: string;
  /** Sequence of the message that it replaces; 0 for none. */
  readonly base: number;
  /** Null takes the message away. */
  readonly body: string | null;
}

/**
 * The stream with what providers keep: a subject for each owner's ledger, each value and each timer, of which the last
 * message counts. Names that guests choose are hashed: a subject takes neither their dots nor their wildcards.
 */
export class KeptStream {
  readonly name: string;
  readonly #connection: Connection;
  readonly #prefix: string;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.name = keptStreamOf(connection.env);
    this.#prefix = keptSubjectsOf(connection.env).slice(0, -1);
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Of all timers of all owners. */
  get allTimers(): string {
    return `${this.#prefix}*.*.${PART.timer}.*`;
  }

  /** Of all tenants. */
  get allSchedules(): string {
    return `${this.#prefix}*.*.${PART.schedule}`;
  }

  ledger(owner: Owner): string {
    return `${this.#of(owner)}.${PART.ledger}`;
  }

  /** @param key null for all keys of the owner */
  value(owner: Owner, key: string | null): string {
    return `${this.#of(owner)}.${PART.state}.${key === null ? '*' : token(key)}`;
  }

  /** @param id null for all timers of the owner */
  timer(owner: Owner, id: string | null): string {
    return `${this.#of(owner)}.${PART.timer}.${id === null ? '*' : token(id)}`;
  }

  /** Of the host itself, where a schedule stands for an owner. */
  schedule({ tenant, schedule }: ScheduleName): string {
    return `${this.#of({ tenant, source: schedule })}.${PART.schedule}`;
  }

  /** @throws GtpackError `bus_unavailable` */
  last(subject: string): Promise<StoredMessage | null> {
    return getMessage(this.#connection, this.name, { last_by_subj: subject });
  }

  /** The first at or behind a sequence. @throws GtpackError `bus_unavailable` */
  next(subject: string, sequence: number): Promise<StoredMessage | null> {
    return getMessage(this.#connection, this.name, { seq: sequence, next_by_subj: subject });
  }

  /** Those that have a message. @param filter with wildcards @throws GtpackError `bus_unavailable` */
  async subjects(filter: string): Promise<readonly string[]> {
    const { streams } = this.#connection.manager;
    this.#connection.checkReady();
    try {
      const { state } = await streams.info(this.name, { subjects_filter: filter });
      return Object.keys(state.subjects ?? {});
    } catch (cause) {
      const message = `The NATS server does not say what is kept: ${errorMessage(cause)}.`;
      throw new GtpackError('bus_unavailable', message, { cause });
    }
  }

  /**
   * @param messageId makes it happen once within the server's own window, which is minutes: where there was nothing and
   *   is nothing again, the base alone would let it happen twice
   * @returns the sequence of what is there then, 0 for nothing; undefined where what is there is not the base any more
   * @throws GtpackError `bus_unavailable`, `bus_disk_full`
   */
  async apply({ subject, base, body }: Change, messageId?: string): Promise<number | undefined> {
    if (body === null) return (await deleteMessage(this.#connection, this.name, base)) ? 0 : undefined;
    const options = messageId === undefined ? { after: base } : { after: base, messageId };
    const stored = await store(this.#connection, subject, body, options);
    return stored.kind === 'stored' ? stored.sequence : undefined;
  }

  #of({ tenant, source }: Owner): string {
    return `${this.#prefix}${tenant}.${token(source)}`;
  }
}

export function keptStreamOf(env: EnvName): string {
  return `greentic-kept-${env}`;
}

export function keptSubjectsOf(env: EnvName): string {
  return `greentic.host.${env}.kept.>`;
}

/** All 256 bits: guests choose the names, and may look for two with one hash. */
function token(name: string): string {
  return hash('sha256', name, 'base64url');
}
