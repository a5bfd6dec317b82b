import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TenantId } from '../../host/event/names.ts';
import { startLockedDown } from '../../host/sandbox/lockdown.ts';
import type { CellReport, Effect, Job, RunJournal } from '../../host/sandbox/protocol.ts';
import type { Sandbox } from '../../host/sandbox/sandbox.ts';
import { alpha, assemblyScriptTenant, beta, openSandbox, type TestSandbox } from '../sandbox/cell.ts';

/**
 * Code that broke out of V8 owns its cell host, and sends the main process what it likes. A cell host of the test's own
 * stands for it; each of two tenants has one to itself, as `isolation: process` gives it.
 */

const script = fileURLToPath(new URL('./fixture/forging-cell-host.ts', import.meta.url));

const records: { readonly tenant: TenantId; readonly journal: RunJournal }[] = [];
const effects: Effect[] = [];
const responses: unknown[] = [];
let opened: TestSandbox;
let sandbox: Sandbox;

beforeEach(() => {
  for (const seen of [records, effects, responses]) seen.length = 0;
  opened = openSandbox({
    startCellHost: () => startLockedDown(script, [`--allow-fs-read=${script}`]),
    onRecord: async (tenant, journal) => {
      records.push({ tenant, journal });
      return { kind: 'ok', output: '"stored"' };
    },
    onEffect: async (_, effect) => {
      effects.push(effect);
      return { kind: 'ok', output: '"performed"' };
    },
    onRespond: (...response) => responses.push(response),
  });
  ({ sandbox } = opened);
  for (const tenant of [alpha, beta]) {
    const { spec } = assemblyScriptTenant(tenant, new Uint8Array());
    sandbox.register(tenant, {
      spec: { ...spec, programModules: [] },
      modules: new Map(),
      isolation: 'process',
    });
  }
});
afterEach(() => sandbox.stop());

/** Of the tenants in the order in which they first have work. */
const FIRST = 1;
const SECOND = 2;
const RUN = 'a'.repeat(32);
const ENTRY = { ordinal: 0, entry: '{"node":"n","status":"ok"}' };
const JOURNAL: RunJournal = { runId: RUN, journal: [ENTRY] };
const NOT_OPEN = { kind: 'problem', problem: { code: 'run_not_open', retryable: false } };

function effectOf(run: RunJournal | null): CellReport {
  return {
    kind: 'effect',
    call: 7,
    effect: {
      capability: 'bus',
      fn: 'publish',
      args: [],
      source: 'flow:f',
      run: run === null ? null : { ...run, flow: 'f', node: 'n' },
      events: [],
    },
  };
}

const recordOf = (journal: RunJournal): CellReport => ({ kind: 'record', call: 7, journal });

function told(operation: string, input: unknown): Job {
  return { kind: 'invoke', provider: 'guest', operation, input: JSON.stringify(input) };
}

const batch = (cell: number, ...messages: readonly unknown[]): unknown => [{ kind: 'cell', cell, messages }];

/** What the cell host is answered. */
async function ask(tenant: TenantId, cell: number, report: CellReport): Promise<unknown> {
  const result = await sandbox.submit(tenant, told('ask', batch(cell, report)));
  if (result.kind !== 'output') throw new Error(JSON.stringify(result));
  return JSON.parse(result.output);
}

function startRun(tenant: TenantId, runId = RUN): Promise<unknown> {
  const runs = [{ runId, flow: 'f', trigger: 0, position: 1, journal: [] }];
  return sandbox.submit(tenant, { kind: 'run', event: '{}', attempt: 1, runs });
}

describe('a cell that names a run', () => {
  test('writes into the journal of one that it was given and has not answered', async () => {
    const run = startRun(alpha);
    expect(await ask(alpha, FIRST, recordOf(JOURNAL))).toEqual({ kind: 'ok', output: '"stored"' });
    expect(await ask(alpha, FIRST, effectOf(JOURNAL))).toEqual({ kind: 'ok', output: '"performed"' });
    expect(records).toEqual([{ tenant: alpha, journal: JOURNAL }]);
    expect(effects).toHaveLength(1);
    await sandbox.submit(alpha, told('finish', null));
    await run;
  });

  test.each([
    ['a record', recordOf(JOURNAL)],
    ['an effect', effectOf(JOURNAL)],
  ])('of another tenant is refused with %s, and nothing is stored or performed', async (_, report) => {
    const run = startRun(alpha);
    await sandbox.prepare(alpha);
    expect(await ask(beta, SECOND, report)).toMatchObject(NOT_OPEN);
    expect([records, effects]).toEqual([[], []]);
    expect(opened.logs).toMatchObject([{ level: 'error', message: expect.stringContaining(RUN) }]);
    await sandbox.submit(alpha, told('finish', null));
    await run;
  });

  test.each([
    ['a record', recordOf(JOURNAL)],
    ['an effect', effectOf(JOURNAL)],
  ])('that is over is refused with %s', async (_, report) => {
    const run = startRun(alpha);
    await sandbox.submit(alpha, told('finish', null));
    await run;
    expect(await ask(alpha, FIRST, report)).toMatchObject(NOT_OPEN);
    expect([records, effects]).toEqual([[], []]);
  });

  test('that nobody has heard of is refused, and its name is cut and printable', async () => {
    const runId = `\u001b[2J${'x'.repeat(100_000)}`;
    expect(await ask(alpha, FIRST, recordOf({ ...JOURNAL, runId }))).toMatchObject(NOT_OPEN);
    const [{ message } = { message: '' }] = opened.logs;
    expect(message).not.toContain('\u001b');
    expect(message.length).toBeLessThan(200);
  });

  test('an effect of no run is performed: a provider has them, too', async () => {
    expect(await ask(alpha, FIRST, effectOf(null))).toEqual({ kind: 'ok', output: '"performed"' });
  });
});

describe('a cell host', () => {
  test('speaks for its own cells only: what it says in the name of others is not heard', async () => {
    const run = startRun(alpha);
    let settled = false;
    void run.finally(() => {
      settled = true;
    });
    await sandbox.prepare(alpha);
    const loss = { reason: 'overrun', detail: 'forged', job: 1, source: 'guest' };
    const forged = [
      ...[effectOf(null), recordOf(JOURNAL)],
      { kind: 'respond', eventId: 'e', answer: { status: 200, headers: {}, body: '' } },
      { kind: 'log', source: 'guest', level: 'error', message: 'forged' },
      { kind: 'job_done', id: 1, result: { kind: 'runs', runs: [] } },
      { kind: 'open_failed', detail: 'forged' },
      { kind: 'give_up', loss },
    ];
    await sandbox.submit(beta, told('send', batch(FIRST, ...forged)));
    await sandbox.submit(beta, told('send', [{ kind: 'cell_lost', cell: FIRST, loss }]));
    expect([effects, records, responses, opened.logs, opened.losses]).toEqual([[], [], [], [], []]);
    expect(sandbox.counts()).toEqual({ cells: 2, hosts: 2 });
    expect(settled).toBe(false);
    await sandbox.submit(alpha, told('finish', null));
    expect(await run).toMatchObject({ kind: 'runs', runs: [{ runId: RUN, status: 'ok' }] });
  });

  const answer = (status: unknown, headers: unknown = {}) => ({
    kind: 'respond',
    eventId: 'e',
    answer: { status, headers, body: '' },
  });
  const result = (of: unknown) => ({ kind: 'job_done', id: 1, result: of });
  const journal = (of: unknown) => ({ kind: 'record', call: 1, journal: { runId: RUN, journal: of } });
  const inCell = (report: unknown) => batch(SECOND, report);

  test.each<[string, unknown]>([
    ['null', null],
    ['a text', 'x'],
    ['an object', {}],
    ['a list of nothing', [null]],
    ['a list of lists', [[]]],
    ['an unknown kind', [{ kind: 'everything' }]],
    ['a kind of every object', [{ kind: 'toString' }]],
    ['no reports', [{ kind: 'cell', cell: SECOND }]],
    ['a cell that is a text', [{ kind: 'cell', cell: '2', messages: [] }]],
    ['a report that is none', inCell(null)],
    ['a report of an unknown kind', inCell({ kind: 'constructor' })],
    ['problems that are none', inCell({ kind: 'opened', problems: null })],
    [
      'a problem of an unknown code',
      inCell({ kind: 'opened', problems: [{ code: 'valueOf', message: '' }] }),
    ],
    ['no result', inCell(result(null))],
    ['a result of an unknown kind', inCell(result({ kind: 'all' }))],
    ['events that are none', inCell(result({ kind: 'events', events: { length: 3 } }))],
    ['an event without a type', inCell(result({ kind: 'events', events: [{ id: 'a', json: '{}' }] }))],
    ['a run without its flow', inCell(result({ kind: 'runs', runs: [{ runId: RUN }] }))],
    ['a journal that is none', inCell(journal('x'))],
    ['an entry that is an object', inCell(journal([{ ordinal: 0, entry: {} }]))],
    ['an entry before all others', inCell(journal([{ ordinal: -1, entry: '' }]))],
    ['an entry between two others', inCell(journal([{ ordinal: 0.5, entry: '' }]))],
    ['an effect that is none', inCell({ kind: 'effect', call: 1, effect: null })],
    ['arguments that are none', inCell({ ...effectOf(null), effect: { args: [1] } })],
    ['an answer of no status', inCell(answer(1e9))],
    ['headers that are lists', inCell(answer(200, { a: ['b'] }))],
    ['an unknown level', inCell({ kind: 'log', source: 'guest', level: '__proto__', message: '' })],
    ['a loss that is none', [{ kind: 'cell_lost', cell: SECOND, loss: 'all' }]],
    ['cells that are none', [{ kind: 'running', cells: 1 }]],
  ])('that sends %s is ended, alone, and its tenant’s next call opens another', async (_, forged) => {
    await sandbox.submit(alpha, told('', null));
    const [other] = sandbox.hostPids();
    const call = sandbox.submit(beta, told('ask', forged));
    await expect(call).rejects.toMatchObject({
      code: 'cell_lost',
      message: expect.stringContaining('no message of a cell host'),
    });
    expect([effects, records, responses]).toEqual([[], [], []]);
    expect(sandbox.hostPids()).toEqual([other]);
    expect(await sandbox.submit(alpha, told('', null))).toMatchObject({ kind: 'output' });
    expect(await sandbox.submit(beta, told('', null))).toMatchObject({ kind: 'output' });
  });

  test.each(['a hole in a list', 'a list with a field', 'a map', 'a number past all numbers', 'undefined'])(
    'that sends %s is ended, too',
    async (name) => {
      await expect(sandbox.submit(beta, told('misshape', name))).rejects.toMatchObject({
        message: expect.stringContaining('no message of a cell host'),
      });
    },
  );

  test.each([
    ['a frame longer than any of ours', Buffer.from([255, 255, 255, 255])],
    ['no structured clone', Buffer.from([3, 0, 0, 0, 1, 2, 3])],
    ['a clone that promises more than it holds', Buffer.from([6, 0, 0, 0, 0xff, 15, 0x41, 255, 255, 127])],
    ['an empty frame', Buffer.from([0, 0, 0, 0])],
    ['bytes by chance', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919 + (i >> 3)) % 256))],
  ])('that writes %s into its pipe is ended, and nobody else', async (_, bytes) => {
    await sandbox.submit(alpha, told('', null));
    const [other] = sandbox.hostPids();
    const call = sandbox.submit(beta, told('babble', bytes.toString('base64')));
    await expect(call).rejects.toMatchObject({
      message: expect.stringContaining('no message of a cell host'),
    });
    expect(sandbox.hostPids()).toEqual([other]);
    expect(await sandbox.submit(beta, told('', null))).toMatchObject({ kind: 'output' });
  });
});
