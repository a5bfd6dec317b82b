import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { pragma } from './database.ts';

/** Bounds of one step, so that no commit waits long behind it. */
const MAX_ROWS = 500;
const MAX_BYTES = 4 * 1024 * 1024;
/** Pages given back a step, once a quarter of the file lies empty; fewer are simply used again. */
const MAX_VACUUMED_PAGES = 256;
const MIN_FREE_PAGES = 1024;

/**
 * Retention: forgets settled events, finished runs and orphaned journal entries that are older than the window.
 *
 * A step looks at no more than 500 rows, from where the last one stopped, whether they can go or not: a long backlog
 * in front of what is settled costs steps, never one long query. Dead letters stay until someone drops them.
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
  /** Where the next step goes on. */
  #phase: Phase = 'events';
  #eventCursor = 0;
  #journalCursor = { runId: '', ordinal: -1 };

  constructor(database: DatabaseSync) {
    const sql = (text: string): StatementSync => database.prepare(text);
    this.#database = database;
    this.#events = sql(
      `SELECT sequence, stored_at, tenant, octet_length(json) AS bytes FROM events WHERE sequence > ?
       ORDER BY sequence LIMIT ${MAX_ROWS}`,
    );
    this.#isFresh = sql('SELECT 1 FROM pending WHERE tenant = ? AND available_at = 0 AND sequence = ?');
    this.#isRetry = sql('SELECT 1 FROM pending WHERE sequence = ? AND available_at > 0');
    this.#dropEvent = sql('DELETE FROM events WHERE sequence = ?');
    this.#runs = sql(
      `SELECT number, finished_at, octet_length(result_json) + octet_length(journal_json) AS bytes FROM runs
       ORDER BY number LIMIT ${MAX_ROWS}`,
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
  }

  /**
   * One step; a round of steps goes through every phase once.
   * @param before milliseconds since the Unix epoch; what is younger stays
   * @returns whether the round goes on
   */
  step(before: number): boolean {
    const budget = { rows: MAX_ROWS, bytes: MAX_BYTES };
    switch (this.#phase) {
      case 'events':
        if (!this.#stepEvents(before, budget)) this.#phase = 'runs';
        return true;
      case 'runs':
        if (!this.#stepRuns(before, budget)) this.#phase = 'journal';
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
    for (const row of this.#events.all(this.#eventCursor)) {
      const sequence = row.sequence as number;
      const tenant = row.tenant as string;
      if ((row.stored_at as number) > before) {
        this.#eventCursor = 0;
        return false;
      }
      if (!take(budget, row.bytes as number)) return true;
      this.#eventCursor = sequence;
      const pending =
        this.#isFresh.get(tenant, sequence) !== undefined || this.#isRetry.get(sequence) !== undefined;
      if (!pending) this.#dropEvent.run(sequence);
    }
    if (budget.rows === 0) return true;
    this.#eventCursor = 0;
    return false;
  }

  #stepRuns(before: number, budget: Budget): boolean {
    for (const row of this.#runs.all()) {
      if ((row.finished_at as number) > before) return false;
      if (!take(budget, row.bytes as number)) return true;
      this.#dropRun.run(row.number as number);
    }
    return budget.rows === 0;
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
      if ((row.recorded_at as number) <= horizon)
        this.#dropEntry.run(row.run_id as string, row.ordinal as number);
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

type Phase = 'events' | 'runs' | 'journal' | 'vacuum';

interface Budget {
  rows: number;
  bytes: number;
}

/** The first row of a step is always taken, however large. */
function take(budget: Budget, bytes: number): boolean {
  if (budget.rows === 0 || budget.bytes <= 0) return false;
  budget.rows -= 1;
  budget.bytes -= bytes;
  return true;
}
