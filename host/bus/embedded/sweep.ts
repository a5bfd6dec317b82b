import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { pragma } from './database.ts';
import type { StateTable } from './state-table.ts';

/** Bounds of one step, so that no commit waits long behind it: rows looked at, and of them rows taken away. */
const MAX_ROWS = 500;
/**
 * Ids come in any order, so that each row lies on its own page of an index: a row is a page to read and to write. At a
 * million events 500 rows were 537 pages, 10 ms of commit and half of a checkpoint.
 */
const MAX_DROPPED = 64;
const MAX_BYTES = 1024 * 1024;
/** Of the pages that the file may have, from here on what is settled makes room before its time. */
const CROWDED = 0.8;
/** Pages given back a step, once a quarter of the file lies empty; fewer are simply used again. */
const MAX_VACUUMED_PAGES = 64;
const MIN_FREE_PAGES = 1024;

/**
 * Retention: forgets settled events, finished runs and orphaned journal entries that are older than the window, and
 * values of providers that have expired. Where the file nears its bound, the oldest finished runs go before their time,
 * and settled events are emptied but for their ids (B4). What is not settled stays (B2), and so do dead letters until
 * someone drops them.
 *
 * A step looks at no more than 500 rows, from where the last one stopped, whether they can go or not: a long backlog
 * in front of what is settled costs steps, never one long query.
 */
export class Sweep {
  readonly #database: DatabaseSync;
  readonly #events: StatementSync;
  readonly #isFresh: StatementSync;
  readonly #isRetry: StatementSync;
  readonly #dropEvent: StatementSync;
  readonly #runs: StatementSync;
  readonly #dropRun: StatementSync;
  readonly #journal: StatementSync;
  readonly #oldestFresh: StatementSync;
  readonly #hasRetry: StatementSync;
  readonly #hasDeadLetter: StatementSync;
  readonly #dropEntry: StatementSync;
  readonly #readHead: StatementSync;
  readonly #writeHead: StatementSync;
  readonly #pageCount: StatementSync;
  readonly #freePages: StatementSync;
  readonly #maxPages: number;
  readonly #state: Pick<StateTable, 'sweep'>;
  /** Where the next step goes on. */
  #phase: Phase = 'events';
  #eventCursor = 0;
  #journalCursor = { runId: '', ordinal: -1 };

  constructor(database: DatabaseSync, state: Pick<StateTable, 'sweep'>) {
    const sql = (text: string): StatementSync => database.prepare(text);
    this.#database = database;
    this.#events = sql(
      `SELECT sequence, stored_at, tenant, octet_length(json) AS bytes FROM events WHERE sequence > ?
       ORDER BY sequence LIMIT ${MAX_ROWS}`,
    );
    this.#isFresh = sql('SELECT 1 FROM pending WHERE tenant = ? AND available_at = 0 AND sequence = ?');
    this.#isRetry = sql('SELECT 1 FROM pending WHERE tenant = ? AND sequence = ? AND available_at > 0');
    this.#dropEvent = sql('DELETE FROM events WHERE sequence = ?');
    this.#runs = sql(
      `SELECT number, finished_at, octet_length(result_json) + octet_length(journal_json) AS bytes FROM runs
       WHERE number > 0 ORDER BY number LIMIT ${MAX_DROPPED}`,
    );
    this.#dropRun = sql('DELETE FROM runs WHERE number = ?');
    this.#journal = sql(
      `SELECT run_id, ordinal, tenant, recorded_at, octet_length(entry) AS bytes FROM journal
       WHERE (run_id, ordinal) > (?, ?) ORDER BY run_id, ordinal LIMIT ${MAX_ROWS}`,
    );
    this.#oldestFresh = sql(
      `SELECT stored_at FROM pending JOIN events USING (sequence)
       WHERE pending.tenant = ? AND available_at = 0 ORDER BY pending.sequence LIMIT 1`,
    );
    this.#hasRetry = sql('SELECT 1 FROM pending WHERE tenant = ? AND available_at > 0 LIMIT 1');
    this.#hasDeadLetter = sql('SELECT 1 FROM dead_letters WHERE tenant = ? LIMIT 1');
    this.#dropEntry = sql('DELETE FROM journal WHERE run_id = ? AND ordinal = ?');
    this.#readHead = sql(
      'SELECT sequence, stored_at, superseded, tenant, id, type, schedule, replayed FROM events WHERE sequence = ?',
    );
    this.#writeHead = sql(
      `INSERT INTO events (sequence, stored_at, superseded, tenant, id, type, schedule, replayed, json)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')`,
    );
    this.#pageCount = sql('PRAGMA page_count');
    this.#freePages = sql('PRAGMA freelist_count');
    this.#maxPages = pragma(database, 'max_page_count');
    this.#state = state;
  }

  /** Whether the file nears its bound. */
  isCrowded(): boolean {
    const pages = this.#pageCount.get()?.page_count as number;
    if (pages <= this.#maxPages * CROWDED) return false;
    return pages - (this.#freePages.get()?.freelist_count as number) > this.#maxPages * CROWDED;
  }

  /**
   * One step; a round of steps goes through every phase once.
   * @param before milliseconds since the Unix epoch; what is younger stays, unless the file is crowded
   * @param now on the same clock
   * @returns whether the round goes on
   */
  step(before: number, now: number): boolean {
    const budget = { rows: MAX_ROWS, dropped: MAX_DROPPED, bytes: MAX_BYTES };
    switch (this.#phase) {
      case 'events':
        if (!this.#stepEvents(before, budget)) this.#phase = 'runs';
        return true;
      case 'runs':
        if (!this.#stepRuns(before, budget)) this.#phase = 'state';
        return true;
      case 'state':
        if (!this.#state.sweep(now)) this.#phase = 'journal';
        return true;
      case 'journal':
        if (!this.#stepJournal(before, budget)) this.#phase = 'vacuum';
        return true;
      case 'vacuum':
        if (this.#vacuum()) return true;
        this.#phase = 'events';
        return false;
    }
  }

  #stepEvents(before: number, budget: Budget): boolean {
    const crowded = this.isCrowded();
    // Taken away after the walk: a table must not change under it.
    const old: number[] = [];
    const emptied: number[] = [];
    let isOver = true;
    for (const row of this.#events.iterate(this.#eventCursor)) {
      const sequence = row.sequence as number;
      const tenant = row.tenant as string;
      const bytes = row.bytes as number;
      const isYoung = (row.stored_at as number) > before;
      if (isYoung && !crowded) break;
      if (!take(budget, bytes)) {
        isOver = false;
        break;
      }
      this.#eventCursor = sequence;
      if (this.#isFresh.get(tenant, sequence) ?? this.#isRetry.get(tenant, sequence)) continue;
      if (!isYoung) old.push(sequence);
      else if (bytes > 0) emptied.push(sequence);
      else continue;
      budget.dropped -= 1;
    }
    for (const sequence of old) this.#dropEvent.run(sequence);
    for (const sequence of emptied) this.#empty(sequence);
    if (!isOver || budget.rows === 0) return true;
    this.#eventCursor = 0;
    return false;
  }

  /** Taken out and put back: a row that only shrinks leaves its page as it is, and nothing is won. */
  #empty(sequence: number): void {
    const head = this.#readHead.get(sequence);
    if (head === undefined) return;
    this.#dropEvent.run(sequence);
    this.#writeHead.run(...Object.values(head));
  }

  #stepRuns(before: number, budget: Budget): boolean {
    const crowded = this.isCrowded();
    const rows = this.#runs.all();
    for (const row of rows) {
      if ((row.finished_at as number) > before && !crowded) return false;
      if (!take(budget, row.bytes as number)) return true;
      this.#dropRun.run(row.number as number);
      budget.dropped -= 1;
    }
    return rows.length === MAX_DROPPED;
  }

  /**
   * An entry goes with its run; left over are those of runs that no event asked for again (a flow that was removed).
   * An entry does not say its event, so none is dropped while its tenant has an unsettled event or dead letter that it may
   * belong to (B3).
   */
  #stepJournal(before: number, budget: Budget): boolean {
    const horizons = new Map<string, number>();
    const { runId, ordinal } = this.#journalCursor;
    const rows = this.#journal.all(runId, ordinal);
    for (const row of rows) {
      const tenant = row.tenant as string;
      const horizon = horizons.get(tenant) ?? this.#journalHorizon(tenant, before);
      horizons.set(tenant, horizon);
      if (!take(budget, row.bytes as number)) return true;
      this.#journalCursor = { runId: row.run_id as string, ordinal: row.ordinal as number };
      if ((row.recorded_at as number) > horizon) continue;
      this.#dropEntry.run(row.run_id as string, row.ordinal as number);
      budget.dropped -= 1;
    }
    if (rows.length === MAX_ROWS) return true;
    this.#journalCursor = { runId: '', ordinal: -1 };
    return false;
  }

  /** Entries recorded up to here belong to nothing that may still run. */
  #journalHorizon(tenant: string, before: number): number {
    if (this.#hasRetry.get(tenant) !== undefined || this.#hasDeadLetter.get(tenant) !== undefined)
      return Number.NEGATIVE_INFINITY;
    const oldest = this.#oldestFresh.get(tenant)?.stored_at as number | undefined;
    return oldest === undefined ? before : Math.min(before, oldest - 1);
  }

  #vacuum(): boolean {
    const free = pragma(this.#database, 'freelist_count');
    if (free < MIN_FREE_PAGES || free < pragma(this.#database, 'page_count') / 4) return false;
    this.#database.exec(`PRAGMA incremental_vacuum(${MAX_VACUUMED_PAGES})`);
    return true;
  }
}

type Phase = 'events' | 'runs' | 'state' | 'journal' | 'vacuum';

interface Budget {
  rows: number;
  dropped: number;
  bytes: number;
}

/** The first row of a step is always taken, however large. */
function take(budget: Budget, bytes: number): boolean {
  if (budget.rows === 0 || budget.dropped === 0 || budget.bytes <= 0) return false;
  budget.rows -= 1;
  budget.bytes -= bytes;
  return true;
}
