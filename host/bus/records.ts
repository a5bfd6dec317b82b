import type { EventType, TenantId } from '../event/names.ts';

/**
 * What an operator sees and mends of what has passed: dead letters and finished runs. Read in pages, each of them short
 * work for the bus whatever it holds: a page may be empty and still have a next one.
 */

export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins, for `after`; null behind the last one. */
  readonly next: string | null;
}

export interface PageQuery {
  readonly tenant?: TenantId;
  /** At most so many items; a bus may give fewer. */
  readonly limit: number;
  /** `next` of the page before, of the same query. */
  readonly after?: string;
}

export interface DeadLetters {
  /** By the time of death. @throws GtpackError `bus_unavailable`; RangeError for an `after` that no page gave */
  list(query: LetterQuery): Promise<Page<DeadLetterHead>>;

  /** @throws GtpackError `bus_unavailable` */
  get(letter: LetterRef): Promise<DeadLetter | null>;

  /**
   * Publishes the event again, in one step with taking it out of the dead letters, so it is replayed once:
   * - under the same id, at a new position, with its attempts counted from 1;
   * - marked as redelivered: its runs go on after what their journals recorded (B3), however long ago that was. With
   *   `fromStart` the journals are forgotten, and its runs do everything again;
   * - from now on the id is a duplicate for the whole window (B4).
   * Refused as `superseded` where a later event of the same id was stored: their runs would be the same.
   * @throws GtpackError `bus_unavailable`
   */
  replay(letter: LetterRef, options: { readonly fromStart: boolean }): Promise<Replay>;

  /**
   * Forgets a dead letter and the journals of its runs, but for those that a later event of the same id goes on with.
   * @returns whether there was such a letter
   * @throws GtpackError `bus_unavailable`
   */
  drop(letter: LetterRef): Promise<boolean>;
}

export type Replay =
  /** With the runs as they were at the event's death. */
  | { readonly outcome: 'replayed'; readonly runs: readonly DeadRun[] }
  /** `gone`: no such dead letter (any more). */
  | { readonly outcome: 'gone' | 'superseded' };

/** Names a dead letter: an id alone may have died more than once. */
export interface LetterRef {
  readonly tenant: TenantId;
  /** Where the event was on the bus when it died. */
  readonly position: number;
}

export interface LetterQuery extends PageQuery {
  readonly type?: string;
  /** The event's. */
  readonly id?: string;
  /** Died then or later; milliseconds since the Unix epoch. */
  readonly since?: number;
  readonly order: 'newest' | 'oldest';
}

export interface DeadLetterHead extends LetterRef {
  readonly id: string;
  readonly type: EventType;
  readonly reason: string;
  readonly attempts: number;
  /** Milliseconds since the Unix epoch. */
  readonly storedAt: number;
  readonly diedAt: number;
  readonly runs: readonly DeadRun[];
}

/** A run of an event at its death. */
export interface DeadRun {
  readonly runId: string;
  readonly flow: string;
  readonly status: 'ok' | 'error';
  /** Of the flow as it was; null where it was not recorded. */
  readonly flowDigest: string | null;
}

export interface DeadLetter extends DeadLetterHead {
  /** The event as JSON text. */
  readonly eventJson: string;
  /** JSON text of an array: `{ run_id, flow, status, journal }` each. */
  readonly runsJson: string;
}

export interface FinishedRuns {
  /** The newest first. @throws GtpackError `bus_unavailable`; RangeError for an `after` that no page gave */
  list(query: RunQuery): Promise<Page<FinishedRunHead>>;

  /** The latest end of a run: one that failed and was replayed has ended before. @throws GtpackError `bus_unavailable` */
  get(runId: string): Promise<FinishedRun | null>;
}

export interface RunQuery extends PageQuery {
  readonly flow?: string;
  readonly status?: 'ok' | 'error';
  readonly eventId?: string;
}

export interface FinishedRunHead {
  readonly tenant: TenantId;
  readonly runId: string;
  readonly flow: string;
  readonly status: 'ok' | 'error';
  readonly eventId: string;
  readonly eventType: EventType;
  /** 0 for runs from before they were counted. */
  readonly attempts: number;
  readonly durationMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly finishedAt: number;
}

export interface FinishedRun extends FinishedRunHead {
  /** The result message as JSON text. */
  readonly resultJson: string;
  /** JSON text of an array. */
  readonly journalJson: string;
}
