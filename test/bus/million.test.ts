import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Checkpoint } from '../../host/bus/embedded/checkpoint.ts';
import { closeDatabase, openDatabase } from '../../host/bus/embedded/database.ts';
import { Retention } from '../../host/bus/embedded/retention.ts';
import { StateTable } from '../../host/bus/embedded/state-table.ts';
import { prepareStatements } from '../../host/bus/embedded/statements.ts';
import { Store } from '../../host/bus/embedded/store.ts';
import type { StoreConnection } from '../../host/bus/embedded/store-connection.ts';
import { Sweep } from '../../host/bus/embedded/sweep.ts';
import type { Operation } from '../../host/bus/embedded/wire.ts';
import { ACME, message } from '../conformance/bus/collector.ts';
import { ManualTime } from '../conformance/bus/manual-time.ts';
import { folderOfFile } from './fixture/folder.ts';

/**
 * A million events, in front 980,000 that wait and behind them settled ones with ids in any order. That no step of
 * retention, of a checkpoint or of the vacuum holds up a commit is shown by counting what a step touches: seconds would
 * measure the machine, so nothing is synced here.
 */
const EVENTS = 1_000_000;
const WAITING = 980_000;
/** What a step may write: a page of the table and one of the index for each of 64 rows, and the few that all have. */
const MAX_PAGES_A_STEP = 200;

const folder = folderOfFile();
const file = join(folder.path, 'bus.db');
let database: DatabaseSync;

beforeAll(() => {
  const opening = openDatabase({ file, dedupeWindowMs: 1000, maxFileBytes: 2 ** 36 }, 1);
  if (!opening.ok) throw new Error(opening.problem.message);
  database = opening.database;
  database.exec(`
    PRAGMA synchronous = OFF;
    DROP INDEX events_id;
    BEGIN;
    CREATE TEMP TABLE n AS
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${EVENTS}) SELECT i FROM n;
    INSERT INTO events (stored_at, tenant, id, type, json)
      SELECT 1, 'acme', hex(randomblob(8)), 'order.created', '{}' FROM n;
    CREATE UNIQUE INDEX events_id ON events (tenant, id) WHERE superseded = 0;
    INSERT INTO pending SELECT 'acme', 0, i, 0 FROM n WHERE i <= ${WAITING};
    INSERT INTO runs (finished_at, tenant, sequence, event_id, event_type, run_id, flow, status, result_json, journal_json)
      SELECT 1, 'acme', i, i, 'order.created', hex(randomblob(8)), 'f', 'ok', '{}', '[]' FROM n WHERE i <= 5000;
    INSERT INTO journal SELECT hex(randomblob(8)), 0, 'gone', 1, '{}' FROM n WHERE i <= 5000;
    INSERT INTO state SELECT 'acme', 's', i, 3, '{}', i, 1 FROM n WHERE i <= 5000;
    INSERT INTO usage (tenant, source, keys, bytes) VALUES ('acme', 's', 5000, 15000);
    COMMIT;
    DROP TABLE n;
    PRAGMA wal_checkpoint(TRUNCATE);
  `);
}, 60_000);

afterAll(() => {
  closeDatabase(database, file);
  folder.remove();
});

const number = (sql: string): number => Number(Object.values(database.prepare(sql).get() ?? {})[0]);

test('a step of retention takes at most 64 rows and writes at most 200 pages, wherever it is', () => {
  const store = new Store(database, 1000);
  const checkpoint = new Checkpoint(database);
  const total = () =>
    number(
      'SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM journal) + (SELECT count(*) FROM state)',
    );
  const changes = database.prepare('SELECT total_changes() AS total');
  const changed = (): number => changes.get()?.total as number;
  let steps = 0;
  let mostRows = 0;
  let mostPages = 0;
  for (let goesOn = true; goesOn && steps < 20_000; steps += 1) {
    const rows = changed();
    const waiting = checkpoint.waiting();
    const reply = store.execute([{ kind: 'sweep', storedBefore: 5000 }], 6000);
    if (reply.kind !== 'committed') throw new Error(JSON.stringify(reply));
    // The count of an owner changes with each of its values.
    mostRows = Math.max(mostRows, changed() - rows);
    mostPages = Math.max(mostPages, checkpoint.waiting() - waiting);
    checkpoint.step(false);
    goesOn = reply.outcomes[0]?.ok === true && reply.outcomes[0].result === true;
  }
  expect(mostRows).toBeGreaterThan(32);
  expect(mostRows).toBeLessThanOrEqual(2 * 64);
  expect(mostPages).toBeGreaterThan(32);
  expect(mostPages).toBeLessThanOrEqual(MAX_PAGES_A_STEP);
  // 500 rows are looked at in a step, 64 taken away, and nothing is looked at twice.
  const lookedAt = WAITING / 500 + (EVENTS - WAITING) / 64 + 3 * (5000 / 64);
  expect(steps).toBeLessThan(lookedAt + 400);
  expect(number('SELECT count(*) FROM events')).toBe(WAITING);
  expect(number('SELECT count(*) FROM pending')).toBe(WAITING);
  expect(total()).toBe(0);
  expect(number("SELECT keys + bytes FROM usage WHERE source = 's'")).toBe(0);
}, 60_000);

test('a checkpoint moves 512 pages and those of one batch, and none lets the log grow', () => {
  const store = new Store(database, 1000);
  const checkpoint = new Checkpoint(database);
  checkpoint.step(true);
  let most = 0;
  let moves = 0;
  for (let round = 0; round < 40; round += 1) {
    const operations: Operation[] = Array.from({ length: 128 }, () => message(randomUUID())).map((one) => ({
      ...{ kind: 'publish', tenant: ACME, messages: [one], journal: [] },
    }));
    store.execute(operations, 10_000);
    const moved = checkpoint.step(false);
    most = Math.max(most, moved);
    if (moved > 0) moves += 1;
    expect(checkpoint.waiting()).toBeLessThan(512);
  }
  expect(moves).toBeGreaterThan(2);
  expect(most).toBeLessThanOrEqual(512 + 2 * 128 + 32);
  // Idle, it leaves no more than 64.
  checkpoint.step(true);
  expect(checkpoint.waiting()).toBeLessThan(64);
});

test('no query of retention walks through a table or sorts', () => {
  class Recording extends DatabaseSync {
    readonly texts: string[] = [];

    override prepare(text: string): StatementSync {
      this.texts.push(text);
      return super.prepare(text);
    }
  }
  const recording = new Recording(':memory:');
  for (const { sql } of database.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL').all())
    if (!String(sql).includes('sqlite_sequence')) recording.exec(String(sql));
  const statements = prepareStatements(recording);
  recording.texts.splice(0, recording.texts.length);
  void new Sweep(recording, new StateTable(statements));
  const asked = [
    ...recording.texts,
    statements.expired.sourceSQL,
    statements.expiredOf.sourceSQL,
    statements.oldestRetry.sourceSQL,
  ].filter((text) => !text.startsWith('PRAGMA'));
  expect(asked.length).toBeGreaterThan(10);
  for (const text of asked) {
    const plan = recording
      .prepare(`EXPLAIN QUERY PLAN ${text}`)
      .all()
      .map(({ detail }) => detail);
    expect(`${text}: ${plan.join(', ')}`).not.toMatch(/SCAN|TEMP B-TREE/);
  }
  recording.close();
});

test('while others commit, there is a pause between two steps, and never are two steps on their way', () => {
  const time = new ManualTime();
  const answers: ((goesOn: boolean) => void)[] = [];
  let isIdle = false;
  const store = {
    get isIdle() {
      return isIdle;
    },
    submit: (_operation: Operation, _bytes: number, answer: (answer: unknown) => void) => {
      answers.push((result) => answer({ ok: true, result }));
    },
  } as unknown as StoreConnection;
  const retention = new Retention(store, time, 1000);
  time.advance(60_000);
  expect(answers).toHaveLength(1);
  time.advance(60_000);
  expect(answers).toHaveLength(1);
  for (let step = 1; step <= 5; step += 1) {
    answers[step - 1]?.(true);
    expect(answers).toHaveLength(step);
    time.advance(9);
    expect(answers).toHaveLength(step);
    time.advance(1);
    expect(answers).toHaveLength(step + 1);
  }
  isIdle = true;
  answers[5]?.(true);
  expect(answers).toHaveLength(7);
  // The round is over; where the file nears its bound the next one begins after 5 s, once however often it is said.
  answers[6]?.(false);
  for (let n = 0; n < 3; n += 1) retention.urge();
  time.advance(4999);
  expect(answers).toHaveLength(7);
  time.advance(1);
  expect(answers).toHaveLength(8);
  retention.urge();
  time.advance(60_000);
  expect(answers).toHaveLength(8);
  retention.close();
  expect(time.timers).toBe(0);
});
