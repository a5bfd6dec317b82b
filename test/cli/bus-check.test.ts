import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { MIGRATIONS } from '../../host/bus/embedded/schema.ts';
import { ACME, Collector, message, messages } from '../conformance/bus/collector.ts';
import { type Done, runToEnd } from './desk.ts';

let dir = '';
let file = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cli-'));
  file = join(dir, '.gtpack', 'bus.sqlite');
  await writeFile(join(dir, 'bundle.yaml'), 'providers: { a: { pack: gone.gtpack } }');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Three events, one of them dead, with two entries of a journal, a value and a timer. */
async function fill(): Promise<void> {
  const bus = await openEmbeddedBus({ file });
  const journal = [0, 1].map((ordinal) => ({ runId: 'run', ordinal, entry: '{}' }));
  await bus.publish(ACME, messages(3), journal);
  const collector = await Collector.start(bus, ACME, 1);
  await collector.until(1);
  await collector.dead(collector.at(0), 'no');
  const owner = { tenant: ACME, source: 'p' };
  await bus.state.set(owner, 'k', '1', { maxKeys: 9, maxBytes: 99, maxValueBytes: 99 });
  await bus.close();
}

const check = (...words: readonly string[]): Promise<Done> =>
  runToEnd(['bus', 'check', ...words], { cwd: dir });

function change(sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

/** Overwrites a page; pages count from 1. */
function damage(page: number): void {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, new Uint8Array(4096).fill(0xff), 0, 4096, (page - 1) * 4096);
  closeSync(descriptor);
}

function rootOf(name: string): number {
  const database = new DatabaseSync(file);
  const row = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(name);
  database.close();
  return Number(row?.rootpage);
}

describe('bus check', () => {
  test('of a sound store says what is in it, and leaves it as it is', async () => {
    await fill();
    const before = readFileSync(file);
    const { status, out } = await check();
    expect([status, out]).toEqual([
      0,
      expect.stringMatching(/schema \d+\nevents +3\npending +2\n[\s\S]*sound\.\n$/),
    ]);
    const json = JSON.parse((await check('--json')).out);
    expect(json).toEqual({
      ok: true,
      file,
      schema: MIGRATIONS.length,
      known_schema: MIGRATIONS.length,
      counts: expect.objectContaining({
        ...{ events: 3, pending: 2, dead_letters: 1, runs: 0 },
        ...{ journal: 2, state: 1, timers: 0, schedules: 0 },
      }),
      problems: [],
    });
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test.each([
    ['DELETE FROM events WHERE sequence = 2', 'something waits whose event is not there'],
    ["UPDATE events SET tenant = 'globex' WHERE sequence = 2", 'of another tenant'],
    ["INSERT INTO pending VALUES ('acme', 5, 2, 1)", 'an event waits twice'],
    ["INSERT INTO pending VALUES ('acme', 0, 1, 0)", 'waits and is a dead letter at once'],
    ["UPDATE sqlite_sequence SET seq = 2 WHERE name = 'events'", 'past the highest position'],
    ['UPDATE usage SET keys = 7', 'is not counted as it is'],
    ["INSERT INTO dead_runs VALUES ('acme', 99, 0, 'r', 'f', 'ok', NULL)", 'whose letter is gone'],
  ])('tells of a store that was changed: %s', async (sql, said) => {
    await fill();
    change(sql);
    const { status, out } = await check();
    expect([status, out]).toEqual([1, expect.stringContaining(said)]);
    const json = JSON.parse((await check('--json')).out);
    expect(json).toMatchObject({ ok: false, problems: [expect.stringMatching(/^1 times: /)] });
  });

  test.each(['events', 'pending', 'journal'])('tells of a damaged page: the first of %s', async (name) => {
    await fill();
    damage(rootOf(name));
    const { status, out } = await check('--json');
    const { counts, problems } = JSON.parse(out);
    expect([status, counts[name]]).toEqual([1, null]);
    expect(problems).toContainEqual(expect.stringMatching(/^The database is damaged: /));
  });

  test('tells of a damaged page in the midst of what is stored', async () => {
    const bus = await openEmbeddedBus({ file });
    await bus.publish(
      ACME,
      Array.from({ length: 50 }, (_, at) => message(`e${at}`, JSON.stringify('x'.repeat(20_000)))),
    );
    await bus.close();
    damage(statSync(file).size / 4096 - 1);
    const { status, out } = await check();
    expect([status, out]).toEqual([1, expect.stringContaining('The database is damaged')]);
  });

  test('of a store that a host serves is refused, and says what to do', async () => {
    const bus = await openEmbeddedBus({ file });
    const { status, err } = await check();
    expect([status, err]).toEqual([1, expect.stringMatching(/A host serves this store: .*Stop the host/)]);
    await bus.close();
  });

  test('of a bundle that never ran makes no store', async () => {
    const { status, out } = await check('--json');
    expect([status, JSON.parse(out).error.code]).toEqual([1, 'bus_missing']);
    expect((await check('--json')).status).toBe(1);
  });

  test.each(['text', 'another program’s database'])('of %s is refused as bus_corrupt', async (what) => {
    await fill();
    await rm(file);
    if (what === 'text') await writeFile(file, 'providers:\n'.repeat(1000));
    else change('CREATE TABLE customers (name TEXT)');
    const { out } = await check('--json');
    expect(JSON.parse(out).error.code).toBe('bus_corrupt');
  });
});

test.each(['pending', 'sqlite_sequence'])(
  'a host does not start on a store whose first page of %s is damaged, and says so by name',
  async (name) => {
    await fill();
    damage(rootOf(name));
    await expect(openEmbeddedBus({ file })).rejects.toMatchObject({ code: 'bus_corrupt' });
  },
);
