/** Marks a database as a bus of ours: "gtpb". */
export const APPLICATION_ID = 0x67747062;

/**
 * Forward migrations: the database's `user_version` counts those that were made. Never change one that was released.
 *
 * - `events` is written once: settling touches `pending` only, whose rows are small. Where space is short, retention
 *   empties the text of a settled event, and keeps its id for the window (B4).
 * - `events_id` decides duplicates (B4); an event that the window let go of is `superseded` when its id comes again.
 * - `pending` holds what is not settled: fresh events with `available_at` 0 in order, then retries by their due time.
 * - `AUTOINCREMENT`, since a position must not be given again after retention deleted the last row. A timer's `number`
 *   is its revision: setting a timer again gives it another.
 * - `events.replayed`: an operator had it delivered again, so its runs have journals although no one is working on it.
 * - `dead_runs` names the runs of a dead letter; the indexes of `dead_letters` and `runs` are the ways that operators
 *   look for them. Runs of before version 3 have no attempts and no duration.
 * - `usage` counts what each owner of `state` and `timers` has, so that a quota is one look; it changes with them. Values
 *   that have expired are in it until they are swept. Its `revision` counts what the owner ever wrote to `state`, so that
 *   no revision is given twice; values of before version 4 have revision 0.
 * - `pending_retries` leads to an event that was put off, and to a tenant's oldest one.
 * - `schedules` is where each schedule of a host is: the last instant that was ticked for or passed over, the last that
 *   became an event, and that event's position.
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
  `
  ALTER TABLE events ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;

  ALTER TABLE runs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE runs ADD COLUMN duration_ms INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX runs_tenant ON runs (tenant);
  CREATE INDEX runs_run ON runs (run_id);

  CREATE INDEX dead_letters_died ON dead_letters (died_at, sequence);
  CREATE INDEX dead_letters_tenant ON dead_letters (tenant, died_at, sequence);
  CREATE INDEX dead_letters_id ON dead_letters (id, died_at, sequence);
  CREATE TABLE dead_runs (
    tenant TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    place INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    flow TEXT NOT NULL,
    status TEXT NOT NULL,
    digest TEXT,
    PRIMARY KEY (tenant, sequence, place)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO dead_runs (tenant, sequence, place, run_id, flow, status)
  SELECT tenant, sequence, run.key, run.value ->> '$.run_id', run.value ->> '$.flow', run.value ->> '$.status'
  FROM dead_letters, json_each(CASE WHEN json_valid(runs_json) THEN runs_json ELSE '[]' END) AS run
  WHERE run.value ->> '$.run_id' IS NOT NULL AND run.value ->> '$.flow' IS NOT NULL
    AND run.value ->> '$.status' IS NOT NULL;
  CREATE TRIGGER dead_runs_go AFTER DELETE ON dead_letters BEGIN
    DELETE FROM dead_runs WHERE tenant = old.tenant AND sequence = old.sequence;
  END;
  `,
  `
  ALTER TABLE usage ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE state ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE state ADD COLUMN expires_at INTEGER;
  CREATE INDEX state_expiry ON state (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX state_owner_expiry ON state (tenant, source, expires_at) WHERE expires_at IS NOT NULL;

  DROP INDEX pending_retries;
  CREATE UNIQUE INDEX pending_retries ON pending (tenant, sequence) WHERE available_at > 0;
  `,
  `
  CREATE TABLE schedules (
    tenant TEXT NOT NULL,
    schedule TEXT NOT NULL,
    plan TEXT NOT NULL,
    at INTEGER NOT NULL,
    last_run INTEGER,
    sequence INTEGER,
    PRIMARY KEY (tenant, schedule)
  ) STRICT, WITHOUT ROWID;
  `,
];
