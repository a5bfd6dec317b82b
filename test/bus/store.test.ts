import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { closeDatabase, openDatabase } from '../../host/bus/embedded/database.ts';
import { prepareStatements } from '../../host/bus/embedded/statements.ts';
import { Store } from '../../host/bus/embedded/store.ts';
import type {
  Operation,
  OperationKind,
  OperationOf,
  Outcome,
  Results,
} from '../../host/bus/embedded/wire.ts';
import { ACME, GLOBEX, message, messages, runOf } from '../conformance/bus/collector.ts';
import { temporaryFolder } from './fixture/folder.ts';

const WINDOW = 1000;
let database: DatabaseSync;
let store: Store;

beforeEach(() => {
  const file = join(temporaryFolder(), 'bus.db');
  const opening = openDatabase({ file, dedupeWindowMs: WINDOW, maxFileBytes: 2 ** 32 }, 1);
  if (!opening.ok) throw new Error(opening.problem.message);
  database = opening.database;
  onTestFinished(() => closeDatabase(database, file));
  store = new Store(database, WINDOW);
});

function execute(operations: readonly Operation[], now: number): readonly Outcome[] {
  const reply = store.execute(operations, now);
  if (reply.kind !== 'committed') throw new Error(`expected a commit, got ${JSON.stringify(reply)}`);
  return reply.outcomes;
}

function one<K extends OperationKind>(operation: OperationOf<K>, now: number): Results[K] {
  const [outcome] = execute([operation], now) as Outcome<K>[];
  if (outcome?.ok !== true) throw new Error(outcome?.reason ?? 'no outcome');
  return outcome.result;
}

const publish = (count: number, now: number, prefix = 'event-', tenant = ACME): readonly number[] =>
  one<'publish'>({ kind: 'publish', tenant, messages: messages(count, prefix), journal: [] }, now);

const ack = (sequence: number, now: number, runIds: readonly string[] = []): boolean | 'put_off' =>
  one<'ack'>(
    {
      ...{ kind: 'ack', event: eventAt(sequence), parking: null },
      runs: runIds.map((runId) => runOf(runId)),
    },
    now,
  );

const eventAt = (sequence: number, attempt = 1) => ({
  tenant: ACME,
  sequence,
  id: `e${sequence}`,
  type: 'order.created',
  attempt,
});

const count = (table: string): unknown =>
  database.prepare(`SELECT count(*) AS total FROM ${table}`).get()?.total;

function sweep(now: number): number {
  for (let steps = 1; steps < 10_000; steps += 1)
    if (!one<'sweep'>({ kind: 'sweep', storedBefore: now - WINDOW }, now)) return steps;
  throw new Error('the sweep does not end');
}

describe('batches', () => {
  test('an operation that fails stores nothing, and fails none of its batch', () => {
    const outcomes = execute(
      [
        { kind: 'publish', tenant: ACME, messages: [message('before')], journal: [] },
        {
          kind: 'publish',
          tenant: ACME,
          messages: [message('bad')],
          // Not a whole number: the column is strict.
          journal: [{ runId: 'run', ordinal: 0.5, entry: '{}' }],
        },
        { kind: 'publish', tenant: ACME, messages: [message('after')], journal: [] },
      ],
      1,
    );
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, false, true]);
    expect(
      database
        .prepare('SELECT id FROM events ORDER BY sequence')
        .all()
        .map((row) => row.id),
    ).toEqual(['before', 'after']);
    expect(count('pending')).toBe(2);
    expect(count('journal')).toBe(0);
  });

  test('a batch that the disk has no space for stores nothing at all', () => {
    database.exec('PRAGMA max_page_count = 40');
    const text = JSON.stringify('x'.repeat(300 * 1024));
    const reply = store.execute(
      [
        { kind: 'publish', tenant: ACME, messages: [message('small')], journal: [] },
        { kind: 'publish', tenant: ACME, messages: [message('large', text)], journal: [] },
      ],
      1,
    );
    expect(reply).toEqual({ kind: 'aborted', reason: 'database or disk is full', fatal: false, full: true });
    expect(count('events')).toBe(0);
    expect(publish(1, 2)).toHaveLength(1);
  });

  test('a commit is on the disk before it is answered: write-ahead log, synchronous FULL', () => {
    expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
  });

  test('a position is never given twice, even after everything was forgotten', () => {
    const [first = 0] = publish(1, 1);
    ack(first, 1);
    sweep(10_000);
    expect(count('events')).toBe(0);
    const [second = 0] = publish(1, 10_000, 'later-');
    expect(second).toBeGreaterThan(first);
  });

  test('a pull stops at 1 MiB, and says that there is more', () => {
    const text = JSON.stringify('x'.repeat(256 * 1024));
    one<'publish'>(
      {
        kind: 'publish',
        tenant: ACME,
        messages: Array.from({ length: 20 }, (_, index) => message(`e${index}`, text)),
        journal: [],
      },
      1,
    );
    const pulled = one<'pull'>(
      { kind: 'pull', tenant: ACME, after: 0, limit: 100, leasedRetries: [], ordered: false },
      1,
    );
    expect(pulled.events).toHaveLength(4);
    expect(pulled.more).toBe(true);
  });

  test('nothing that is asked while serving walks through a table or sorts', () => {
    const atOpening = ['countPending', 'countDeadLetters', 'lastSequence', 'timerQueues'];
    const bare = ['begin', 'commit', 'rollback', 'savepoint', 'release', 'undo'];
    for (const [name, { sourceSQL }] of Object.entries(prepareStatements(database))) {
      if (atOpening.includes(name) || bare.includes(name)) continue;
      const plan = database
        .prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`)
        .all()
        .map((row) => String(row.detail));
      expect(`${name}: ${plan.join(', ')}`).not.toMatch(/SCAN|TEMP B-TREE/);
      if (name === 'deleteRetry') expect(plan.join()).toContain('pending_retries (tenant=? AND sequence=?');
    }
  });

  test("a delivery of another tenant is not settled by this one's consumer", () => {
    const [sequence = 0] = publish(1, 1, 'theirs-', GLOBEX);
    expect(ack(sequence, 2)).toBe(false);
    one<'nak'>({ kind: 'nak', event: { ...eventAt(sequence), tenant: GLOBEX }, availableAt: 5 }, 3);
    expect(ack(sequence, 4)).toBe(false);
    expect(count('pending')).toBe(1);
  });
});

describe('retention', () => {
  test('settled events and finished runs go once they are older than the window, not before', () => {
    const [a = 0, b = 0] = publish(2, 100);
    ack(a, 150, ['run-a']);
    ack(b, 150, ['run-b']);
    sweep(100 + WINDOW - 1);
    expect([count('events'), count('runs')]).toEqual([2, 2]);
    sweep(100 + WINDOW);
    expect([count('events'), count('runs')]).toEqual([0, 2]);
    sweep(150 + WINDOW);
    expect(count('runs')).toBe(0);
  });

  test('B2 what is not settled stays, however old: fresh, put off, and those behind them', () => {
    const [a = 0, b = 0, c = 0] = publish(3, 1);
    one<'nak'>({ kind: 'nak', event: eventAt(b), availableAt: 50 }, 10);
    ack(c, 10);
    sweep(1_000_000);
    expect(
      database
        .prepare('SELECT sequence FROM events')
        .all()
        .map((row) => row.sequence),
    ).toEqual([a, b]);
  });

  test('a step looks at no more than 500 rows, and forgets no more than 64', () => {
    const sequences = publish(800, 1);
    for (const sequence of sequences.slice(600)) ack(sequence, 1);
    const totals: unknown[] = [];
    for (let step = 0; step < 5; step += 1) {
      one<'sweep'>({ kind: 'sweep', storedBefore: 5000 }, 6000);
      totals.push(count('events'));
    }
    expect(totals).toEqual([800, 736, 672, 608, 600]);
  });

  test('a step of large events stops at 1 MiB', () => {
    const text = JSON.stringify('x'.repeat(256 * 1024));
    const large = Array.from({ length: 40 }, (_, index) => message(`e${index}`, text));
    for (const sequence of one<'publish'>({ kind: 'publish', tenant: ACME, messages: large, journal: [] }, 1))
      ack(sequence, 1);
    one<'sweep'>({ kind: 'sweep', storedBefore: 5000 }, 6000);
    expect(count('events')).toBe(36);
    sweep(6000);
    expect(count('events')).toBe(0);
  });

  test('the file gives space back once a quarter of it lies empty', () => {
    const text = JSON.stringify('x'.repeat(100 * 1024));
    const large = Array.from({ length: 100 }, (_, index) => message(`e${index}`, text));
    for (const sequence of one<'publish'>({ kind: 'publish', tenant: ACME, messages: large, journal: [] }, 1))
      ack(sequence, 1);
    const pages = (): number => database.prepare('PRAGMA page_count').get()?.page_count as number;
    const before = pages();
    sweep(6000);
    expect(pages()).toBeLessThan(before / 2);
    expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  });

  test('B3 an orphaned journal goes only when nothing of its tenant may still ask for it', () => {
    const record = (tenant: typeof ACME, runId: string, now: number): void => {
      one<'publish'>(
        { kind: 'publish', tenant, messages: [], journal: [{ runId, ordinal: 0, entry: '{}' }] },
        now,
      );
    };
    const [waiting = 0] = publish(1, 100);
    record(ACME, 'may be of the waiting event', 110);
    record(GLOBEX, 'orphan', 110);
    sweep(10_000);
    expect(
      database
        .prepare('SELECT run_id FROM journal')
        .all()
        .map((row) => row.run_id),
    ).toEqual(['may be of the waiting event']);
    one<'nak'>({ kind: 'nak', event: eventAt(waiting), availableAt: 20_000 }, 10_000);
    sweep(12_000);
    expect(count('journal')).toBe(1);
    ack(waiting, 20_000);
    sweep(22_000);
    expect(count('journal')).toBe(0);
  });

  test('B5 a dead letter and its journal stay when its event is forgotten', () => {
    const [sequence = 0] = publish(1, 1);
    one<'publish'>(
      {
        kind: 'publish',
        tenant: ACME,
        messages: [],
        journal: [{ runId: 'run', ordinal: 0, entry: '"done"' }],
      },
      2,
    );
    const runsJson = '[{"run_id":"run","journal":["done"]}]';
    one<'dead'>(
      {
        kind: 'dead',
        event: eventAt(sequence, 5),
        reason: 'gave up',
        runs: [runOf('run', 'error')],
        runsJson,
        alert: null,
      },
      3,
    );
    sweep(1_000_000);
    expect([count('events'), count('runs'), count('journal')]).toEqual([0, 0, 1]);
    expect(database.prepare('SELECT * FROM dead_letters').all()).toEqual([
      {
        tenant: 'acme',
        sequence,
        stored_at: 1,
        died_at: 3,
        attempts: 5,
        id: 'event-0',
        type: 'order.created',
        schedule: null,
        reason: 'gave up',
        event_json: '{"id":"event-0"}',
        runs_json: runsJson,
      },
    ]);
  });
});
