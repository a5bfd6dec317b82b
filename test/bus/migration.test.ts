import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { APPLICATION_ID, MIGRATIONS } from '../../host/bus/embedded/schema.ts';
import { ACME, Collector } from '../conformance/bus/collector.ts';
import { temporaryFolder } from './fixture/folder.ts';

test('a file of the first schema keeps its events and takes state and timers', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const old = new DatabaseSync(file);
  old.exec(`
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    ${MIGRATIONS[0]}
    INSERT INTO events (stored_at, tenant, id, type, json)
    VALUES (${Date.now()}, 'acme', 'old', 'order.created', '{"id":"old"}');
    INSERT INTO pending VALUES ('acme', 0, 1, 0);
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = 1;
  `);
  old.close();

  const bus = await openEmbeddedBus({ file });
  const collector = await Collector.start(bus, ACME, 10);
  await collector.until(1);
  expect(collector.ids).toEqual(['old']);
  const owner = { tenant: ACME, source: 'orders' };
  const quota = { maxKeys: 1, maxBytes: 100, maxValueBytes: 100 };
  expect(await bus.state.set(owner, 'k', '1', quota)).toBe('stored');
  expect(await bus.timers.queues()).toEqual([]);
  await bus.close();

  const migrated = new DatabaseSync(file);
  expect(migrated.prepare('PRAGMA user_version').get()).toEqual({ user_version: MIGRATIONS.length });
  migrated.close();
});

test('a file of the third schema keeps what was put off and what providers keep, both to be written on', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const old = new DatabaseSync(file);
  const now = Date.now();
  old.exec(`
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    ${MIGRATIONS.slice(0, 3).join('')}
    INSERT INTO events (stored_at, tenant, id, type, json) VALUES
      (${now}, 'acme', 'first', 'order.created', '{"id":"first"}'),
      (${now}, 'acme', 'second', 'order.created', '{"id":"second"}');
    INSERT INTO pending VALUES ('acme', ${now - 1}, 1, 1), ('acme', 0, 2, 0);
    INSERT INTO state VALUES ('acme', 'orders', 'k', 2, '1');
    INSERT INTO usage (tenant, source, keys, bytes) VALUES ('acme', 'orders', 1, 2);
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = 3;
  `);
  old.close();

  const bus = await openEmbeddedBus({ file });
  const collector = new Collector();
  await collector.consume(bus, ACME, { maxInFlight: 10, ordered: true });
  await collector.until(1);
  await collector.ack(collector.at(0));
  await collector.until(2);
  expect(collector.deliveries.map(({ id, attempt }) => [id, attempt])).toEqual([
    ['first', 2],
    ['second', 1],
  ]);
  const owner = { tenant: ACME, source: 'orders' };
  const quota = { maxKeys: 1, maxBytes: 100, maxValueBytes: 100 };
  const there = await bus.state.get(owner, 'k');
  expect(there?.json).toBe('1');
  expect(await bus.state.set(owner, 'l', '1', quota)).toBe('maxKeys');
  expect(await bus.state.set(owner, 'k', '2', quota, { ifRevision: there?.revision ?? null })).toBe('stored');
  expect(await bus.state.set(owner, 'k', '3', quota, { ifRevision: there?.revision ?? null })).toBe(
    'conflict',
  );
  await bus.close();
});
