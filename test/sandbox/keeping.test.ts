import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { codeOf } from '../../host/deploy/provider-code.ts';
import { type Grants, NO_GRANTS } from '../../host/grant/grants.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { buildPack } from '../../host/pack/build.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { jcoVersion } from '../../host/sandbox/jco-version.ts';
import type { Effect, EffectAnswer } from '../../host/sandbox/protocol.ts';
import type { TenantCode } from '../../host/sandbox/sandbox.ts';
import { parseTimerArguments } from '../../host/sandbox/timer-order.ts';
import { Transpiler } from '../../host/sandbox/transpiler.ts';
import { alpha, assemblyScriptTenant, openSandbox, type TestSandbox } from './cell.ts';

const granted: Grants = {
  ...NO_GRANTS,
  state: { maxBytes: 1000, maxKeys: 10, maxValueBytes: 100, ttlMs: null },
  timers: { events: ['>'], maxTimers: 10, minIntervalMs: 1000 },
};

let folder: string;
const codes = new Map<string, TenantCode>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gtpack-keeping-'));
  for (const kind of ['keeping', 'keeping-ts']) codes.set(kind, await linked(kind));
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

async function linked(guest: string): Promise<TenantCode> {
  const file = join(folder, `${guest}.gtpack`);
  await buildPack(fileURLToPath(new URL(`../guests/${guest}`, import.meta.url)), { outFile: file });
  const pack = await readPack(file);
  const [provider] = pack.providers;
  if (provider === undefined) throw new Error('A provider was expected.');
  const binding = {
    id: 'guest',
    pack: file,
    line: 1,
    enabled: true,
    config: null,
    grants: granted,
    allowUnsigned: true,
    signatures: [],
  };
  const transpiler = new Transpiler({
    cacheDir: join(folder, 'components'),
    version: jcoVersion,
    wallMs: DEFAULT_LIMITS.transpileWallMs,
    memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
  });
  const { spec, modules } = await codeOf(binding, pack, provider, {
    transpiler,
    bundleFile: 'bundle.yaml',
    env: 'test',
    tenant: 'demo',
  });
  const code = assemblyScriptTenant(alpha, new Uint8Array());
  return { spec: { ...code.spec, providers: [spec] }, modules: new Map([...code.modules, ...modules]) };
}

/** One cell for all tests of a kind of guest: opening one costs more than all that they do. */
function open(guest: string) {
  const effects: Effect[] = [];
  let answer: EffectAnswer = { kind: 'ok', output: 'null' };
  let sandbox: TestSandbox['sandbox'] | undefined;
  beforeAll(() => {
    sandbox = openSandbox({
      onEffect: async (_, effect) => {
        effects.push(effect);
        return answer;
      },
    }).sandbox;
    const code = codes.get(guest);
    if (code === undefined) throw new Error(`${guest} was expected.`);
    sandbox.register(alpha, code);
  });
  beforeEach(() => {
    effects.length = 0;
  });
  afterAll(() => sandbox?.stop());
  return {
    effects,
    answers: (next: EffectAnswer): void => {
      answer = next;
    },
    act: async (...lines: string[]): Promise<unknown> => {
      const input = JSON.stringify(lines.join('\n'));
      const result = await sandbox?.submit(alpha, {
        kind: 'invoke',
        provider: 'guest',
        operation: 'do',
        input,
      });
      if (result?.kind !== 'output')
        throw new Error(`An output was expected; ${JSON.stringify(result)} came.`);
      return JSON.parse(result.output);
    },
  };
}

describe.each(['keeping', 'keeping-ts'])('the guest %s', (guest) => {
  const { act, answers, effects } = open(guest);

  test('gets, sets and deletes its state; the host’s answer is its own', async () => {
    answers({ kind: 'ok', output: '{"n":[1,null]}' });
    expect(await act('get', 'schlüssel')).toEqual({ ok: { n: [1, null] } });
    expect(await act('set', 'k', ' {"a": "\\ud800"} ')).toEqual({ ok: { n: [1, null] } });
    expect(await act('delete', 'k')).toEqual({ ok: { n: [1, null] } });
    const trace = expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    const shared = { capability: 'state', source: 'guest', run: null, events: [], trace };
    expect(effects).toEqual([
      { ...shared, fn: 'get', args: ['schlüssel'] },
      // The text that it wrote, white space and all: nobody parses and writes it again.
      { ...shared, fn: 'set', args: ['k', ' {"a": "\\ud800"} '] },
      { ...shared, fn: 'delete', args: ['k'] },
    ]);
  });

  test('gets the host’s refusal as a typed problem', async () => {
    const problem = { code: 'state_full', message: 'The state is full.', retryable: false };
    answers({ kind: 'problem', problem });
    expect(await act('set', 'k', '1')).toEqual({ err: problem });
  });

  test.each([
    ['no JSON', '{"a":'],
    ['nothing', ''],
    ['two values', '1 2'],
    ['too deep', `${'['.repeat(65)}${']'.repeat(65)}`],
    ['too many', `[${'1,'.repeat(100_000)}1]`],
    ['too long', `"${'x'.repeat(1024 * 1024)}"`],
  ])('has a value refused in its cell that is %s', async (_what, value) => {
    expect(await act('set', 'k', value)).toMatchObject({ err: { code: 'state_value_invalid' } });
    expect(effects).toEqual([]);
  });

  test('sets a timer: what crosses is its parts, with the draft normalized', async () => {
    answers({ kind: 'ok', output: '{"due_at":5}' });
    const draft = { event_type: 'a.b', payload: { p: 1 }, metadata: { mine: 1, hops: 9, trace_id: 'x' } };
    const timer = { id: 'ä', at: 1_800_000_000_000, every_ms: 1000, event: draft };
    expect(await act('timer', JSON.stringify(timer))).toEqual({ ok: { due_at: 5 } });
    expect(effects).toMatchObject([{ capability: 'timers', fn: 'set', source: 'guest', events: [] }]);
    expect(parseTimerArguments(effects[0]?.args ?? [])).toEqual({
      id: 'ä',
      dueAt: 1_800_000_000_000,
      everyMs: 1000,
      type: 'a.b',
      payload: '{"p":1}',
      metadata: '{"hops":0,"mine":1}',
    });
  });

  test('sets a timer for a while from now', async () => {
    const before = Date.now();
    await act(
      'timer',
      '{"id":"t","after_ms":5000,"every_ms":null,"event":{"event_type":"a","payload":null}}',
    );
    const { dueAt, everyMs } = parseTimerArguments(effects[0]?.args ?? []);
    expect(dueAt).toBeGreaterThanOrEqual(before + 5000);
    expect(dueAt).toBeLessThanOrEqual(Date.now() + 5000);
    expect(everyMs).toBeNull();
  });

  test('clears a timer by its id', async () => {
    answers({ kind: 'ok', output: 'true' });
    expect(await act('clear', 't')).toEqual({ ok: true });
    expect(effects).toMatchObject([{ capability: 'timers', fn: 'clear', args: ['t'] }]);
  });

  const event = '"event":{"event_type":"a","payload":1}';
  test.each([
    ['no JSON', '{', 'json_invalid'],
    ['no object', '[]', 'timer_invalid'],
    ['a key that is unknown', `{"id":"t","at":1,"cron":"* * * * *",${event}}`, 'timer_invalid'],
    ['no id', `{"at":1,${event}}`, 'timer_invalid'],
    ['an id of no characters', `{"id":"","at":1,${event}}`, 'timer_invalid'],
    ['an id that is too long', `{"id":"${'t'.repeat(129)}","at":1,${event}}`, 'timer_invalid'],
    ['an id with half a surrogate pair', `{"id":"\\ud800","at":1,${event}}`, 'timer_invalid'],
    ['no instant', `{"id":"t",${event}}`, 'timer_invalid'],
    ['two instants', `{"id":"t","at":1,"after_ms":1,${event}}`, 'timer_invalid'],
    ['an instant with a fraction', `{"id":"t","at":1.5,${event}}`, 'timer_invalid'],
    ['an instant past the year 9999', `{"id":"t","at":253402300800000,${event}}`, 'timer_invalid'],
    ['a delay past the year 9999', `{"id":"t","after_ms":253402300799999,${event}}`, 'timer_invalid'],
    ['a delay into the past', `{"id":"t","after_ms":-1,${event}}`, 'timer_invalid'],
    ['a repetition under a second', `{"id":"t","at":1,"every_ms":999,${event}}`, 'timer_invalid'],
    ['no event', '{"id":"t","at":1}', 'event_invalid'],
    ['an event without a type', '{"id":"t","at":1,"event":{"payload":1}}', 'event_invalid'],
    [
      'an event of a result',
      '{"id":"t","at":1,"event":{"event_type":"a.result","payload":1}}',
      'event_invalid',
    ],
    ['an event without a payload', '{"id":"t","at":1,"event":{"event_type":"a"}}', 'event_invalid'],
    [
      'an id of the event',
      '{"id":"t","at":1,"event":{"id":"e","event_type":"a","payload":1}}',
      'timer_invalid',
    ],
    [
      'a timestamp of the event',
      '{"id":"t","at":1,"event":{"timestamp":1,"event_type":"a","payload":1}}',
      'timer_invalid',
    ],
    [
      'an idempotency key',
      '{"id":"t","at":1,"event":{"idempotency_key":"k","event_type":"a","payload":1}}',
      'timer_invalid',
    ],
    [
      'an event past the bound',
      `{"id":"t","at":1,"event":{"event_type":"a","payload":"${'x'.repeat(32 * 1024)}"}}`,
      'timer_invalid',
    ],
    [
      'a payload that is too deep',
      `{"id":"t","at":1,"event":{"event_type":"a","payload":${'['.repeat(64)}${']'.repeat(64)}}}`,
      'json_too_deep',
    ],
  ])('has a timer refused in its cell with %s', async (_what, timer, code) => {
    expect(await act('timer', timer)).toMatchObject({ err: { code } });
    expect(effects).toEqual([]);
  });
});
