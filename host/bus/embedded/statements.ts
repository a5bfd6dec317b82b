import type { DatabaseSync, StatementSync } from 'node:sqlite';

export type Statements = ReturnType<typeof prepareStatements>;

/** Everything the store says to SQLite while it serves, prepared once. */
export function prepareStatements(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    begin: sql('BEGIN IMMEDIATE'),
    commit: sql('COMMIT'),
    rollback: sql('ROLLBACK'),
    savepoint: sql('SAVEPOINT operation'),
    release: sql('RELEASE operation'),
    undo: sql('ROLLBACK TO operation'),

    countPending: sql('SELECT tenant, count(*) AS total FROM pending GROUP BY tenant'),
    countDeadLetters: sql('SELECT tenant, count(*) AS total FROM dead_letters GROUP BY tenant'),
    lastSequence: sql("SELECT seq FROM sqlite_sequence WHERE name = 'events'"),

    insertEvent: sql(
      `INSERT INTO events (stored_at, tenant, id, type, schedule, json) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (tenant, id) WHERE superseded = 0 DO NOTHING`,
    ),
    supersede: sql(
      'UPDATE events SET superseded = 1 WHERE tenant = ? AND id = ? AND superseded = 0 AND stored_at <= ?',
    ),
    insertReplayed: sql(
      'INSERT INTO events (stored_at, tenant, id, type, schedule, json, replayed) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    readEvent: sql('SELECT id, type, schedule, json, replayed FROM events WHERE sequence = ?'),

    insertPending: sql('INSERT INTO pending (tenant, available_at, sequence, attempts) VALUES (?, ?, ?, ?)'),
    deleteFresh: sql('DELETE FROM pending WHERE tenant = ? AND available_at = 0 AND sequence = ?'),
    // The index is named, since the key would be a walk through all of the tenant's retries.
    deleteRetry: sql(
      'DELETE FROM pending INDEXED BY pending_retries WHERE tenant = ? AND sequence = ? AND available_at > 0',
    ),
    fresh: sql(
      'SELECT sequence FROM pending WHERE tenant = ? AND available_at = 0 AND sequence > ? ORDER BY sequence',
    ),
    retries: sql(
      `SELECT sequence, available_at, attempts FROM pending WHERE tenant = ? AND available_at > 0
       ORDER BY available_at, sequence`,
    ),
    oldestRetry: sql(
      `SELECT sequence, available_at, attempts FROM pending INDEXED BY pending_retries
       WHERE tenant = ? AND available_at > 0 ORDER BY sequence LIMIT 1`,
    ),
    storedAt: sql('SELECT stored_at FROM events WHERE sequence = ?'),

    recordEntry: sql(
      `INSERT INTO journal (run_id, ordinal, tenant, recorded_at, entry) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (run_id, ordinal) DO UPDATE SET recorded_at = excluded.recorded_at, entry = excluded.entry`,
    ),
    readJournal: sql('SELECT ordinal, entry FROM journal WHERE run_id = ? ORDER BY ordinal'),
    forgetJournal: sql('DELETE FROM journal WHERE run_id = ?'),

    insertRun: sql(
      `INSERT INTO runs (finished_at, tenant, sequence, event_id, event_type, run_id, flow, status, result_json,
         journal_json, attempts, duration_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertDeadRun: sql(
      'INSERT INTO dead_runs (tenant, sequence, place, run_id, flow, status, digest) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    insertDeadLetter: sql(
      `INSERT INTO dead_letters (tenant, sequence, stored_at, died_at, attempts, id, type, schedule, reason, event_json,
         runs_json)
       SELECT tenant, sequence, stored_at, ?, ?, id, type, schedule, ?, json, ? FROM events WHERE sequence = ?`,
    ),

    readUsage: sql('SELECT keys, bytes, timers FROM usage WHERE tenant = ? AND source = ?'),
    changeUsage: sql(
      `INSERT INTO usage (tenant, source, keys, bytes, timers) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (tenant, source) DO UPDATE
       SET keys = keys + excluded.keys, bytes = bytes + excluded.bytes, timers = timers + excluded.timers`,
    ),

    // Every write to `state` of an owner is counted here, and the count is the revision.
    changeStateUsage: sql(
      `INSERT INTO usage (tenant, source, keys, bytes, revision) VALUES (?, ?, ?, ?, 1)
       ON CONFLICT (tenant, source) DO UPDATE
       SET keys = keys + excluded.keys, bytes = bytes + excluded.bytes, revision = revision + 1 RETURNING revision`,
    ),
    readValue: sql(
      'SELECT json, revision, expires_at FROM state WHERE tenant = ? AND source = ? AND key = ?',
    ),
    readValueHead: sql(
      'SELECT bytes, revision, expires_at FROM state WHERE tenant = ? AND source = ? AND key = ?',
    ),
    writeValue: sql(
      `INSERT INTO state (tenant, source, key, bytes, json, revision, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (tenant, source, key) DO UPDATE SET bytes = excluded.bytes, json = excluded.json,
         revision = excluded.revision, expires_at = excluded.expires_at`,
    ),
    dropValue: sql('DELETE FROM state WHERE tenant = ? AND source = ? AND key = ?'),
    expiredOf: sql(
      `SELECT tenant, source, key, bytes FROM state INDEXED BY state_owner_expiry
       WHERE tenant = ? AND source = ? AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
    ),
    expired: sql(
      `SELECT tenant, source, key, bytes FROM state INDEXED BY state_expiry
       WHERE expires_at <= ? ORDER BY expires_at LIMIT ?`,
    ),

    hasTimer: sql('SELECT 1 FROM timers WHERE tenant = ? AND source = ? AND id = ?'),
    // Takes the row of the same id away, so that the number is a new one.
    writeTimer: sql(
      `INSERT OR REPLACE INTO timers (tenant, source, id, type, due_at, every_ms, payload, metadata)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    clearTimer: sql('DELETE FROM timers WHERE tenant = ? AND source = ? AND id = ?'),
    timersOf: sql(
      `SELECT id, due_at, every_ms, type FROM timers
       WHERE tenant = ? AND source = ? AND id > ? ORDER BY id LIMIT ?`,
    ),
    timerQueues: sql(
      `SELECT tenant, source, type, count(*) AS total, min(due_at) AS next_due FROM timers
       GROUP BY tenant, source, type`,
    ),
    firstTimers: sql(
      `SELECT number, id, due_at, every_ms, payload, metadata FROM timers
       WHERE tenant = ? AND source = ? AND type = ? ORDER BY due_at`,
    ),
    readTimer: sql(
      `SELECT number, type, due_at, every_ms, payload, metadata FROM timers
       WHERE tenant = ? AND source = ? AND id = ?`,
    ),
    timersFrom: sql(
      'SELECT number, tenant, id, source, metadata FROM timers WHERE number > ? ORDER BY number LIMIT ?',
    ),
    endTimer: sql('DELETE FROM timers WHERE number = ? AND due_at = ?'),
    moveTimer: sql('UPDATE timers SET due_at = ? WHERE number = ? AND due_at = ?'),
  };
}
