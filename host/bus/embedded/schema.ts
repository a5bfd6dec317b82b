/** Marks a database as a bus of ours: "gtpb". */
export const APPLICATION_ID = 0x67747062;

/**
 * Forward migrations: the database's `user_version` counts those that were made. Never change one that was released.
 *
 * - `events` is written once and never updated: settling touches `pending` only, whose rows are small.
 * - `events_id` decides duplicates (B4); an event that the window let go of is `superseded` when its id comes again.
 * - `pending` holds what is not settled: fresh events with `available_at` 0 in order, then retries by their due time.
 * - `AUTOINCREMENT`, since a position must not be given again after retention deleted the last row. A timer's `number`
 *   is its revision: setting a timer again gives it another.
 * - `usage` counts what each owner of `state` and `timers` has, so that a quota is one look; it changes with them.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    stored_at INTEGER NOT NULL,
    superseded INTEGER NOT NULL DEFAULT 0,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    schedule TEXT,
    json TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_id ON events (tenant, id) WHERE superseded = 0;

  CREATE TABLE pending (
    tenant TEXT NOT NULL,
    available_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (tenant, available_at, sequence)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX pending_retries ON pending (sequence) WHERE available_at > 0;

  CREATE TABLE journal (
    run_id TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (run_id, ordinal)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    finished_at INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    run_id TEXT NOT NULL,
    flow TEXT NOT NULL,
    status TEXT NOT NULL,
    result_json TEXT NOT NULL,
    journal_json TEXT NOT NULL
  ) STRICT;

  CREATE TABLE dead_letters (
    tenant TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    died_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    schedule TEXT,
    reason TEXT NOT NULL,
    event_json TEXT NOT NULL,
    runs_json TEXT NOT NULL,
    PRIMARY KEY (tenant, sequence)
  ) STRICT;
  `,
  `
  CREATE TABLE state (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (tenant, source, key)
  ) STRICT;

  CREATE TABLE timers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    every_ms INTEGER,
    payload TEXT NOT NULL,
    metadata TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX timers_id ON timers (tenant, source, id);
  CREATE INDEX timers_due ON timers (tenant, source, type, due_at);

  CREATE TABLE usage (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    keys INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    timers INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, source)
  ) STRICT, WITHOUT ROWID;
  `,
];
