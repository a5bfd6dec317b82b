import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { EventType, TenantId } from '../../event/names.ts';
import type { EventMessage } from '../bus.ts';
import type {
  DeadLetter,
  DeadLetterHead,
  DeadRun,
  FinishedRun,
  FinishedRunHead,
  LetterQuery,
  LetterRef,
  Page,
  PageQuery,
  RunQuery,
} from '../records.ts';
import type { OperationOf, Replayed } from './wire.ts';

/** Bounds of one page, so that no commit waits long behind it: rows looked at, items given, text that they hold. */
const MAX_ROWS = 500;
const MAX_ITEMS = 100;
/** Every character of a reason may take six in JSON. */
const MAX_REASON_BYTES = 512 * 1024;
const MAX_RUN_BYTES = 4 * 1024 * 1024;

type Row = Record<string, SQLOutputValue>;

/** Stores an event and makes it pending. @returns its position */
export type Replay = (event: EventMessage & { readonly tenant: TenantId }, redelivered: boolean) => number;

/** What operators ask of the dead letters and of the runs that are over. Runs in the store's thread. */
export class RecordTables {
  readonly #database: DatabaseSync;
  /** By their text: a query has a few shapes. */
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  letters(query: LetterQuery): Page<DeadLetterHead> {
    const isNewest = query.order === 'newest';
    const where = ['died_at >= ?'];
    const values: SQLInputValue[] = [query.since ?? 0];
    for (const column of ['tenant', 'id'] as const) {
      const wanted = query[column];
      if (wanted === undefined) continue;
      where.unshift(`${column} = ?`);
      values.unshift(wanted);
    }
    if (query.after !== undefined) {
      where.push(`(died_at, sequence) ${isNewest ? '<' : '>'} (?, ?)`);
      values.push(...cursorOf(query.after, 2));
    }
    const index = query.id !== undefined ? 'id' : query.tenant !== undefined ? 'tenant' : 'died';
    const way = isNewest ? 'DESC' : 'ASC';
    // The index is named: any other way through a million letters would hold up the commits.
    const rows = this.#all(
      `SELECT tenant, sequence, stored_at, died_at, attempts, id, type, reason, octet_length(reason) AS bytes
       FROM dead_letters INDEXED BY dead_letters_${index} WHERE ${where.join(' AND ')}
       ORDER BY died_at ${way}, sequence ${way} LIMIT ${MAX_ROWS}`,
      ...values,
    );
    return page(query, rows, {
      maxBytes: MAX_REASON_BYTES,
      cursor: (row) => `${row.died_at}.${row.sequence}`,
      wanted: (row) => query.type === undefined || row.type === query.type,
      item: (row) => this.#letterHead(row),
    });
  }

  letter({ tenant, position }: LetterRef): DeadLetter | null {
    const row = this.#get(
      `SELECT tenant, sequence, stored_at, died_at, attempts, id, type, reason, event_json, runs_json
       FROM dead_letters WHERE tenant = ? AND sequence = ?`,
      tenant,
      position,
    );
    if (row === undefined) return null;
    return {
      ...this.#letterHead(row),
      eventJson: row.event_json as string,
      runsJson: row.runs_json as string,
    };
  }

  replay({ letter, fromStart }: OperationOf<'letter_replay'>, now: number, store: Replay): Replayed {
    const { tenant, position } = letter;
    const row = this.#get(
      'SELECT id, type, schedule, event_json FROM dead_letters WHERE tenant = ? AND sequence = ?',
      tenant,
      position,
    );
    if (row === undefined) return { outcome: 'gone' };
    const id = row.id as string;
    if (this.#hasLater(letter, id)) return { outcome: 'superseded' };
    const runs = this.#deadRuns(letter);
    for (const { runId } of runs) {
      if (fromStart) this.#run('DELETE FROM journal WHERE run_id = ?', runId);
      // Retention goes by the age of an entry, and the oldest event that is not settled: which may now be this one.
      else this.#run('UPDATE journal SET recorded_at = ? WHERE run_id = ?', now, runId);
    }
    this.#run('DELETE FROM dead_letters WHERE tenant = ? AND sequence = ?', tenant, position);
    this.#run('DELETE FROM events WHERE sequence = ?', position);
    const message = { id, type: row.type as EventType, json: row.event_json as string };
    const event = row.schedule === null ? message : { ...message, schedule: row.schedule as string };
    return { outcome: 'replayed', runs, event, sequence: store({ tenant, ...event }, !fromStart) };
  }

  drop(letter: LetterRef): boolean {
    const { tenant, position } = letter;
    const row = this.#get('SELECT id FROM dead_letters WHERE tenant = ? AND sequence = ?', tenant, position);
    if (row === undefined) return false;
    if (!this.#hasLater(letter, row.id as string) && !this.#hasEarlierLetter(letter, row.id as string))
      for (const { runId } of this.#deadRuns(letter))
        this.#run('DELETE FROM journal WHERE run_id = ?', runId);
    this.#run('DELETE FROM dead_letters WHERE tenant = ? AND sequence = ?', tenant, position);
    return true;
  }

  /** The same id came again, outside of the window. Its runs have the same ids, and so the same journals. */
  #hasLater({ tenant, position }: LetterRef, id: string): boolean {
    return (
      this.#get(
        `SELECT 1 FROM events WHERE tenant = ? AND id = ? AND superseded = 0 AND sequence > ?
         UNION ALL
         SELECT 1 FROM dead_letters INDEXED BY dead_letters_id WHERE tenant = ? AND id = ? AND sequence > ?`,
        ...[tenant, id, position, tenant, id, position],
      ) !== undefined
    );
  }

  #hasEarlierLetter({ tenant, position }: LetterRef, id: string): boolean {
    return (
      this.#get(
        'SELECT 1 FROM dead_letters INDEXED BY dead_letters_id WHERE tenant = ? AND id = ? AND sequence < ?',
        ...[tenant, id, position],
      ) !== undefined
    );
  }

  #letterHead(row: Row): DeadLetterHead {
    const letter = { tenant: row.tenant as TenantId, position: row.sequence as number };
    return {
      ...letter,
      id: row.id as string,
      type: row.type as EventType,
      reason: row.reason as string,
      attempts: row.attempts as number,
      storedAt: row.stored_at as number,
      diedAt: row.died_at as number,
      runs: this.#deadRuns(letter),
    };
  }

  #deadRuns({ tenant, position }: LetterRef): DeadRun[] {
    return this.#all(
      `SELECT run_id, flow, status, digest FROM dead_runs WHERE tenant = ? AND sequence = ? ORDER BY place`,
      tenant,
      position,
    ).map((row) => ({
      runId: row.run_id as string,
      flow: row.flow as string,
      status: row.status as DeadRun['status'],
      flowDigest: row.digest as string | null,
    }));
  }

  runs(query: RunQuery): Page<FinishedRunHead> {
    const { tenant, after } = query;
    const where = [
      ...(tenant === undefined ? [] : ['tenant = ?']),
      ...(after === undefined ? [] : ['number < ?']),
    ];
    const rows = this.#all(
      `SELECT number, finished_at, tenant, event_id, event_type, run_id, flow, status,
         octet_length(result_json) + octet_length(journal_json) AS bytes
       FROM runs ${tenant === undefined ? 'NOT INDEXED' : 'INDEXED BY runs_tenant'}
       ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY number DESC LIMIT ${MAX_ROWS}`,
      ...(tenant === undefined ? [] : [tenant]),
      ...(after === undefined ? [] : cursorOf(after, 1)),
    );
    return page(query, rows, {
      maxBytes: MAX_RUN_BYTES,
      cursor: (row) => String(row.number),
      wanted: ({ flow, status, event_id }) =>
        (query.flow === undefined || flow === query.flow) &&
        (query.status === undefined || status === query.status) &&
        (query.eventId === undefined || event_id === query.eventId),
      item: (row) => this.#runHead(row),
    });
  }

  run(runId: string): FinishedRun | null {
    const row = this.#get(
      `SELECT number, finished_at, tenant, event_id, event_type, run_id, flow, status, result_json, journal_json
       FROM runs INDEXED BY runs_run WHERE run_id = ? ORDER BY number DESC LIMIT 1`,
      runId,
    );
    if (row === undefined) return null;
    return {
      ...this.#runHead(row),
      resultJson: row.result_json as string,
      journalJson: row.journal_json as string,
    };
  }

  #runHead(row: Row): FinishedRunHead {
    // Behind the texts in the row, so that reading them costs as much as the texts: only for rows that are given.
    const more = this.#get('SELECT attempts, duration_ms FROM runs WHERE number = ?', row.number as number);
    return {
      tenant: row.tenant as TenantId,
      runId: row.run_id as string,
      flow: row.flow as string,
      status: row.status as FinishedRunHead['status'],
      eventId: row.event_id as string,
      eventType: row.event_type as EventType,
      attempts: more?.attempts as number,
      durationMs: more?.duration_ms as number,
      finishedAt: row.finished_at as number,
    };
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  #all(sql: string, ...values: readonly SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  #get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  #run(sql: string, ...values: readonly SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }
}

interface PageParts<T> {
  readonly maxBytes: number;
  readonly cursor: (row: Row) => string;
  readonly wanted: (row: Row) => boolean;
  readonly item: (row: Row) => T;
}

/** @param rows in order, at most `MAX_ROWS`, with the `bytes` that giving one costs */
function page<T>(
  { limit }: PageQuery,
  rows: readonly Row[],
  { maxBytes, cursor, wanted, item }: PageParts<T>,
): Page<T> {
  const items: T[] = [];
  const max = Math.min(limit, MAX_ITEMS);
  let bytes = 0;
  let looked: Row | undefined;
  for (const row of rows) {
    if (items.length === max || bytes > maxBytes) break;
    looked = row;
    if (!wanted(row)) continue;
    bytes += row.bytes as number;
    items.push(item(row));
  }
  const isLast = looked === rows.at(-1) && rows.length < MAX_ROWS;
  return { items, next: looked === undefined || isLast ? null : cursor(looked) };
}

function cursorOf(after: string, parts: number): number[] {
  const numbers = after.split('.').map(Number);
  if (numbers.length === parts && numbers.every(Number.isSafeInteger)) return numbers;
  throw new RangeError(`after: expected what a page gave, got ${JSON.stringify(after)}`);
}
