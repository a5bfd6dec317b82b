import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DurableBus } from '../../host/bus/bus.ts';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { type ControlServer, openControl } from '../../host/control/control.ts';
import { operatorRecords } from '../../host/deploy/operator-records.ts';
import { parseEventType, type TenantId } from '../../host/event/names.ts';
import { ACME, Collector, GLOBEX, runOf } from '../conformance/bus/collector.ts';
import { FakeHost } from '../control/fake-host.ts';
import { type Done, runToEnd } from './desk.ts';

let dir = '';
let bus: DurableBus;
let control: ControlServer | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cli-'));
  await writeFile(join(dir, 'bundle.yaml'), 'bus: { kind: embedded, file: store/bus.db }');
  bus = await openEmbeddedBus({ file: join(dir, 'store', 'bus.db') });
});
afterEach(async () => {
  await control?.close();
  control = undefined;
  await bus.close();
  await rm(dir, { recursive: true, force: true });
});

/** Runs whose flow is `handle` died in the flow with the digest `f00d`. */
async function bury(
  tenant: TenantId,
  type: string,
  ids: readonly string[],
  reason = 'Flow x: no',
): Promise<void> {
  const collector = await Collector.start(bus, tenant, 1000);
  const known = collector.deliveries.length;
  await bus.publish(
    tenant,
    ids.map((id) => ({ id, type: parseEventType(type), json: JSON.stringify({ id, payload: 1 }) })),
    ids.map((id) => ({ runId: `run-${id}`, ordinal: 0, entry: '"done"' })),
  );
  await collector.until(known + ids.length);
  for (const delivery of collector.deliveries)
    await collector.dead(delivery, reason, [runOf(`run-${delivery.id}`, 'error')]);
  await collector.consumer.stop();
}

/** Through a running host, or with none in the store. */
const ways = ['a host that runs', 'the store, where no host runs'];
async function opened(way: string | undefined, digest = 'f00d'): Promise<void> {
  if (way === ways[0])
    control = await openControl(
      dir,
      new FakeHost(operatorRecords(bus, () => new Map(digest === '' ? [] : [['handle', digest]]))),
    );
  else await bus.close();
}
const run = (...words: readonly string[]): Promise<Done> => runToEnd(words, { cwd: dir });
const listed = async (...words: readonly string[]) =>
  JSON.parse((await run('dlq', 'list', '--json', ...words)).out).dead_letters.map(
    ({ id }: { id: string }) => id,
  );

describe.each(ways)('dlq, by %s', (way) => {
  test('list is a table of what died, the newest first, with nothing that steers the terminal', async () => {
    await bury(ACME, 'order.created', ['one'], 'Flow x: \u001b[2Jno');
    await bury(GLOBEX, 'order.paid', ['two']);
    await opened(way);
    const { status, out } = await run('dlq', 'list');
    expect([status, out.replace(/\d{4}-\S+Z/g, 'TIME')]).toEqual([
      0,
      [
        'id   tenant  type           time                      attempts  reason',
        'two  globex  order.paid     TIME  1         Flow x: no',
        'one  acme    order.created  TIME  1         Flow x: \\u{1b}[2Jno',
        '',
      ].join('\n'),
    ]);
  });

  test('list narrows by tenant, type and time, and says where there may be more', async () => {
    await bury(ACME, 'order.created', ['a', 'b', 'c']);
    await bury(GLOBEX, 'order.paid', ['d']);
    await opened(way);
    expect(await listed('--tenant', 'globex')).toEqual(['d']);
    expect(await listed('--type', 'order.created')).toEqual(['c', 'b', 'a']);
    expect(await listed('--since', '2999-01-01')).toEqual([]);
    const two = await run('dlq', 'list', '--limit', '2', '--json');
    expect(JSON.parse(two.out)).toMatchObject({ dead_letters: [{ id: 'd' }, { id: 'c' }], more: true });
    const none = await run('dlq', 'list', '--tenant', 'other');
    expect(none.out).toBe('There are no such dead letters.\n');
  });

  test('show gives the event, its reason, its runs and their journals', async () => {
    await bury(ACME, 'order.created', ['one']);
    await opened(way);
    const { out } = await run('dlq', 'show', 'one', '--json');
    expect(JSON.parse(out)).toMatchObject({
      tenant: 'acme',
      id: 'one',
      type: 'order.created',
      reason: 'Flow x: no',
      attempts: 1,
      event: { id: 'one', payload: 1 },
      runs: [{ run_id: 'run-one', flow: 'handle', status: 'error', journal: [{ node: 'first' }] }],
    });
    const text = await run('dlq', 'show', 'one');
    expect(text.out).toContain('run run-one of handle: error\n  {"node":"first"}\n');
    const unknown = await run('dlq', 'show', 'none');
    expect([unknown.status, unknown.err]).toEqual([1, expect.stringContaining('No event "none"')]);
  });

  test('replay takes an event out of the dead letters and puts it onto the bus, once', async () => {
    await bury(ACME, 'order.created', ['one', 'two']);
    await opened(way);
    const done = await run('dlq', 'replay', 'one', '--json');
    expect([done.status, JSON.parse(done.out)]).toEqual([
      0,
      {
        replayed: 1,
        gone: 0,
        superseded: 0,
        refused: [],
        changed_flows: [],
        takes_effect: way === ways[0] ? 'now' : 'start',
      },
    ]);
    expect(await listed()).toEqual(['two']);
    const again = await run('dlq', 'replay', 'one');
    expect([again.status, again.err]).toEqual([1, expect.stringContaining('No event "one"')]);
    if (way !== ways[0]) bus = await openEmbeddedBus({ file: join(dir, 'store', 'bus.db') });
    const collector = await Collector.start(bus, ACME);
    await collector.until(1);
    expect(collector.at(0)).toMatchObject({ id: 'one', attempt: 1, redelivered: true });
  });

  test('replay and drop of all take what the options leave, in bulk, the oldest first', async () => {
    const many = Array.from({ length: 250 }, (_, at) => `e${at}`);
    await bury(ACME, 'order.created', many);
    await bury(GLOBEX, 'order.paid', ['p', 'q']);
    await opened(way);
    const done = await run('dlq', 'replay', '--all', '--tenant', 'acme');
    expect([done.status, done.out.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(/^250 events replayed/),
    ]);
    expect(await listed()).toEqual(['q', 'p']);
    const dropped = await run('dlq', 'drop', '--all', '--type', 'order.paid');
    expect([dropped.status, dropped.out]).toEqual([0, '2 events dropped.\n']);
    expect(await listed()).toEqual([]);
    if (way !== ways[0]) bus = await openEmbeddedBus({ file: join(dir, 'store', 'bus.db') });
    const collector = await Collector.start(bus, ACME, 1000);
    await collector.until(250);
    expect(collector.ids).toEqual(many);
    expect((await bus.journals(['run-p', 'run-e0'])).has('run-p')).toBe(false);
  });

  test('an id that several tenants have is asked for with its tenant, and an unknown one stops all', async () => {
    await bury(ACME, 'order.created', ['one', 'two']);
    await bury(GLOBEX, 'order.created', ['one']);
    await opened(way);
    const unclear = await run('dlq', 'drop', 'one');
    expect([unclear.status, unclear.err]).toEqual([2, expect.stringContaining('--tenant: globex, acme')]);
    const unknown = await run('dlq', 'drop', 'two', 'none');
    expect(unknown.status).toBe(1);
    expect(await listed()).toHaveLength(3);
    expect((await run('dlq', 'drop', 'one', '--tenant', 'acme')).status).toBe(0);
    expect(await listed('--tenant', 'acme')).toEqual(['two']);
  });

  test('runs are listed and shown with their result and journal', async () => {
    await bury(ACME, 'order.created', ['one']);
    await bury(GLOBEX, 'order.paid', ['two']);
    await opened(way);
    const { out } = await run('runs', 'list', '--json');
    const { runs, more } = JSON.parse(out);
    expect(more).toBe(false);
    expect(runs).toMatchObject([
      { run_id: 'run-two', tenant: 'globex', status: 'error', event_id: 'two', event_type: 'order.paid' },
      { run_id: 'run-one', tenant: 'acme', flow: 'handle', attempts: 1, duration_ms: 7 },
    ]);
    const narrowed = JSON.parse((await run('runs', 'list', '--json', '--event', 'one', '--limit', '1')).out);
    expect(narrowed.runs).toHaveLength(1);
    const table = await run('runs', 'list', '--tenant', 'acme', '--status', 'error', '--flow', 'handle');
    expect(table.out).toMatch(
      /^run +tenant +flow +status +event +time +attempts +ms\nrun-one +acme +handle +error /,
    );
    const shown = JSON.parse((await run('runs', 'show', 'run-one', '--json')).out);
    expect(shown).toMatchObject({
      run_id: 'run-one',
      result: { status: 'error' },
      journal: [{ node: 'first' }],
    });
    const unknown = await run('runs', 'show', 'none');
    expect([unknown.status, unknown.err]).toEqual([1, expect.stringContaining('No finished run "none"')]);
  });
});

describe('dlq', () => {
  test.each([
    ['0ther', 'The flow handle of acme has changed: its runs go on'],
    ['', 'The flow handle of acme is not there any more'],
  ])('a replay of an event whose flow is another by now says so (%j)', async (digest, said) => {
    await bury(ACME, 'order.created', ['one']);
    await opened(ways[0], digest);
    const { status, out } = await run('dlq', 'replay', '--all');
    expect([status, out]).toEqual([0, expect.stringContaining(said)]);
  });

  test('a replay from the start says that its runs begin anew, and forgets what they recorded', async () => {
    await bury(ACME, 'order.created', ['one']);
    await opened(ways[0], '0ther');
    const { out } = await run('dlq', 'replay', 'one', '--from-start');
    expect(out).toContain('its runs begin in it as it is now');
    expect((await bus.journals(['run-one'])).size).toBe(0);
  });

  test('what dies again while all are replayed is left, so that the command ends', async () => {
    await bury(ACME, 'order.created', ['one', 'two']);
    const collector = await Collector.start(bus, ACME);
    collector.onDelivery = (delivery) => void collector.dead(delivery, 'again');
    await opened(ways[0]);
    const { out } = await run('dlq', 'replay', '--all', '--json');
    expect(JSON.parse(out)).toMatchObject({ replayed: 2 });
  });

  test.each([
    [['dlq', 'replay'], 'No id and no --all'],
    [['dlq', 'drop', 'one', '--all'], 'Ids and --all'],
    [['dlq', 'list', '--since', 'soon'], '--since takes'],
    [['dlq', 'list', '--limit', '0'], '--limit takes'],
    [['runs', 'list', '--status', 'good'], '--status takes'],
  ])('%j is wrong usage', async (words, said) => {
    const { status, err } = await run(...words);
    expect([status, err]).toEqual([2, expect.stringContaining(said)]);
  });

  test('a bundle that never ran has no store, and none is made', async () => {
    await writeFile(join(dir, 'bundle.yaml'), '');
    for (const words of [
      ['dlq', 'list'],
      ['runs', 'list'],
    ]) {
      const { status, err } = await run(...words);
      expect([status, err]).toEqual([1, expect.stringContaining('no host has run this bundle yet')]);
    }
  });

  test('a store that a host holds which does not answer is left alone', async () => {
    const { status, err } = await run('dlq', 'list');
    expect([status, err]).toEqual([1, expect.stringContaining('in use by another host')]);
  });

  test('what is too large for the control socket is refused by name', async () => {
    await bury(ACME, 'order.created', ['one']);
    const letter = await bus.deadLetters.list({ order: 'newest', limit: 1 });
    const records = operatorRecords(bus, null);
    control = await openControl(
      dir,
      new FakeHost({
        ...records,
        letter: async () => {
          const whole = await records.letter(letter.items[0] ?? { tenant: ACME, position: 0 });
          return whole === null ? null : { ...whole, runsJson: 'x'.repeat(5 * 1024 * 1024) };
        },
      }),
    );
    const { status, out } = await run('dlq', 'show', 'one', '--json');
    expect([status, JSON.parse(out).error.code]).toEqual([1, 'record_too_large']);
  });
});
