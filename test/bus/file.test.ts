import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { MIGRATIONS } from '../../host/bus/embedded/schema.ts';
import { ACME, Collector, message, messages, runOf, settled } from '../conformance/bus/collector.ts';
import { temporaryFolder } from './fixture/folder.ts';

test('two hosts of one process on one file: the second is refused, and takes nothing from the first', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const first = await openEmbeddedBus({ file });
  for (let round = 0; round < 2; round += 1)
    await expect(openEmbeddedBus({ file })).rejects.toMatchObject({ code: 'bus_locked' });
  await first.publish(ACME, [message('one')]);
  await first.close();
  const second = await openEmbeddedBus({ file });
  expect((await second.counts()).get(ACME)).toMatchObject({ pending: 1, deadLetters: 0 });
  await second.close();
});

test('a closed bus leaves one file, readable by its user only, and a folder that is too', async () => {
  const folder = join(temporaryFolder(), 'deep', 'state');
  const file = join(folder, 'bus.db');
  const bus = await openEmbeddedBus({ file });
  await bus.publish(ACME, [message('one')]);
  for (const name of readdirSync(folder))
    expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600]);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  await bus.close();
  expect(readdirSync(folder)).toEqual(['bus.db']);
});

test('the file says what it is: our application id, the schema version, incremental vacuum', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  await (await openEmbeddedBus({ file })).close();
  const database = new DatabaseSync(file);
  const read = (name: string): unknown => database.prepare(`PRAGMA ${name}`).get()?.[name];
  expect(read('application_id')).toBe(0x67747062);
  expect(read('user_version')).toBe(MIGRATIONS.length);
  expect(read('auto_vacuum')).toBe(2);
  expect(read('journal_mode')).toBe('wal');
  database.close();
});

test('a file of a newer host is refused untouched', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  await (await openEmbeddedBus({ file })).close();
  const database = new DatabaseSync(file);
  database.exec('PRAGMA user_version = 99');
  database.close();
  const before = readFileSync(file);
  await expect(openEmbeddedBus({ file })).rejects.toMatchObject({
    code: 'bus_schema_newer',
    message: expect.stringContaining(`schema is version 99, this host knows up to ${MIGRATIONS.length}`),
  });
  expect(readFileSync(file).equals(before)).toBe(true);
});

test.each([
  ['text', (file: string) => writeFileSync(file, 'providers:\n'.repeat(1000))],
  ['zeros', (file: string) => writeFileSync(file, new Uint8Array(8192))],
  [
    'a database of another program',
    (file: string) => {
      const database = new DatabaseSync(file);
      database.exec('CREATE TABLE customers (name TEXT)');
      database.close();
    },
  ],
])('a file of %s is refused as bus_corrupt, with a cure, and left as it was', async (_what, write) => {
  const file = join(temporaryFolder(), 'bus.db');
  write(file);
  const before = readFileSync(file);
  const error: unknown = await openEmbeddedBus({ file }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'bus_corrupt', retryable: false });
  expect(error).toHaveProperty('problems.0.cure', expect.stringMatching(/\w/));
  expect(error).toHaveProperty('problems.0.file', file);
  expect(readFileSync(file).equals(before)).toBe(true);
});

test('a file that was cut short is refused as bus_corrupt', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const bus = await openEmbeddedBus({ file });
  await bus.publish(ACME, messages(500));
  await bus.close();
  truncateSync(file, 3 * 4096);
  await expect(openEmbeddedBus({ file })).rejects.toMatchObject({ code: 'bus_corrupt' });
});

test('a page damaged under a running bus stops it with the reason; nothing more is accepted', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const first = await openEmbeddedBus({ file });
  await first.publish(
    ACME,
    Array.from({ length: 200 }, (_, index) =>
      message(`e${index}`, JSON.stringify({ text: 'x'.repeat(1000) })),
    ),
  );
  await first.close();
  const pages = statSync(file).size / 4096;
  const descriptor = openSync(file, 'r+');
  // All but the first pages: the schema, and the roots that are read when it is opened.
  for (let page = 32; page < pages; page += 1)
    writeSync(descriptor, new Uint8Array(4096).fill(0xff), 0, 4096, page * 4096);
  closeSync(descriptor);
  const bus = await openEmbeddedBus({ file });
  const collector = await Collector.start(bus, ACME, 1000);
  await settled(bus).catch(() => undefined);
  expect(collector.deliveries).toEqual([]);
  await expect(bus.publish(ACME, [message('more')])).rejects.toMatchObject({
    code: 'bus_unavailable',
    message: expect.stringContaining('The bus has stopped: database disk image is malformed'),
  });
  // For whoever starts the process again.
  expect(await bus.lost).toMatchObject({ code: 'bus_unavailable' });
  await bus.close();
});

test('a bus that has stopped while events wait leaves its process free to say so', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const first = await openEmbeddedBus({ file });
  await first.publish(
    ACME,
    messages(200).map(({ id }) => message(id, JSON.stringify({ text: 'x'.repeat(1000) }))),
  );
  await first.close();
  const pages = statSync(file).size / 4096;
  const descriptor = openSync(file, 'r+');
  // What the first deliveries need stays whole.
  for (let page = Math.floor(pages / 2); page < pages; page += 1)
    writeSync(descriptor, new Uint8Array(4096).fill(0xff), 0, 4096, page * 4096);
  closeSync(descriptor);
  const bus = await openEmbeddedBus({ file });
  const consumer = await bus.consume(ACME, {
    maxInFlight: 10,
    onDeliveries: (deliveries) => {
      for (const delivery of deliveries)
        consumer.settle({ kind: 'ack', delivery, runs: [] }).catch(() => undefined);
    },
  });
  await expect
    .poll(() => bus.publish(ACME, [message('more')]).then(String, ({ message: text }) => text))
    .toMatch(/^The bus has stopped: /);
  await bus.close();
});

test.each([
  ['a folder in its place', (folder: string) => mkdirSync(join(folder, 'bus.db'))],
  ['a file where its folder should be', (folder: string) => writeFileSync(join(folder, 'state'), '')],
])('%s is refused as bus_unwritable', async (what, write) => {
  const folder = temporaryFolder();
  write(folder);
  const file = what.startsWith('a folder') ? join(folder, 'bus.db') : join(folder, 'state', 'bus.db');
  await expect(openEmbeddedBus({ file })).rejects.toMatchObject({ code: 'bus_unwritable' });
});

test('a folder that takes no files is refused as bus_unwritable', async () => {
  // The one such folder that holds for every user, the superuser included.
  const file = '/proc/self/bus.db';
  expect(existsSync('/proc/self')).toBe(true);
  await expect(openEmbeddedBus({ file })).rejects.toMatchObject({ code: 'bus_unwritable' });
});

test('a full disk refuses new events and keeps the old ones; with space again the bus goes on', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const bus = await openEmbeddedBus({ file, maxFileBytes: 400 * 1024 });
  const large = (id: string) => message(id, JSON.stringify({ text: 'x'.repeat(8000) }));
  const stored: string[] = [];
  let refusal: unknown;
  for (let index = 0; refusal === undefined && index < 1000; index += 1) {
    const id = `event-${index}`;
    await bus.publish(ACME, [large(id)]).then(
      () => stored.push(id),
      (thrown: unknown) => {
        refusal = thrown;
      },
    );
  }
  expect(refusal).toMatchObject({
    code: 'bus_disk_full',
    retryable: true,
    message: expect.stringContaining('database or disk is full'),
  });
  // Small work still fits where large does not.
  const collector = await Collector.start(bus, ACME, 5);
  await collector.until(5);
  await collector.ack(collector.at(0));
  await expect(bus.publish(ACME, [large('late')])).rejects.toMatchObject({ code: 'bus_disk_full' });
  await bus.close();

  const roomier = await openEmbeddedBus({ file });
  expect((await roomier.counts()).get(ACME)?.pending).toBe(stored.length - 1);
  await roomier.publish(ACME, [large('late')]);
  await roomier.close();
});

test('a settlement that could not be stored is in flight again, and can be settled again', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const bus = await openEmbeddedBus({ file, maxFileBytes: 400 * 1024 });
  await bus.publish(ACME, messages(2));
  const collector = await Collector.start(bus, ACME, 1);
  await collector.until(1);
  const run = { ...runOf('run'), journalJson: JSON.stringify('x'.repeat(600 * 1024)) };
  await expect(collector.ack(collector.at(0), [run])).rejects.toMatchObject({ code: 'bus_disk_full' });
  await collector.ack(collector.at(0), [runOf('run')]);
  await collector.until(2);
  expect(collector.ids).toEqual(['event-0', 'event-1']);
  expect((await bus.counts()).get(ACME)).toMatchObject({ pending: 1, deadLetters: 0 });
  await bus.close();
});
