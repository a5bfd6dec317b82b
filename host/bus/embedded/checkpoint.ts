import type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * Pages that wait in the log before a checkpoint moves them into the file: while the store works, and while it idles. One
 * of 1,000 pages took 28 ms where a commit takes 3; its cost is one sync and the pages.
 */
const MAX_PAGES_AT_WORK = 512;
const MAX_PAGES_IDLE = 64;

/**
 * Checkpoints by hand: SQLite's own one runs inside of a commit, whose senders then wait for it. This one runs after
 * they have their answer, often enough that it never has much to move: its work does not grow with the backlog.
 *
 * Passive: as the only connection it always gets through, and the log starts again from its beginning.
 */
export class Checkpoint {
  readonly #measure: StatementSync;
  readonly #move: StatementSync;

  constructor(database: DatabaseSync) {
    this.#measure = database.prepare('PRAGMA wal_checkpoint(NOOP)');
    this.#move = database.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /** Pages that are in the log only. */
  waiting(): number {
    const { log = 0, checkpointed = 0 } = this.#measure.get() ?? {};
    return Math.max(0, Number(log) - Number(checkpointed));
  }

  /** @returns the pages that were moved, 0 where it was not due @throws what SQLite throws; nothing is lost by it */
  step(isIdle: boolean): number {
    const pages = this.waiting();
    if (pages < (isIdle ? MAX_PAGES_IDLE : MAX_PAGES_AT_WORK)) return 0;
    this.#move.get();
    return pages;
  }
}
