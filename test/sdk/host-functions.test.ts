import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grantsShape, parseGrants } from '../../host/grant/grants.ts';
import type { Effect, EffectAnswer, JobResult } from '../../host/sandbox/protocol.ts';
import type { Sandbox } from '../../host/sandbox/sandbox.ts';
import { parseTimerArguments } from '../../host/sandbox/timer-order.ts';
import { alpha, openSandbox, type TestSandbox } from '../sandbox/cell.ts';
import { linkedGuest } from './linked-guest.ts';

const granted = parseGrants(
  grantsShape.parse({
    http: { hosts: ['api.example.com'] },
    bus: { publish: ['>'] },
    state: {},
    timers: { events: ['>'] },
    secrets: ['KEY'],
  }),
);

interface Twin {
  readonly sandbox: Sandbox;
  readonly effects: Effect[];
  readonly logs: TestSandbox['logs'];
}

const kinds = ['wrapped-as', 'wrapped-ts'] as const;
const twins = new Map<string, Twin>();
/** What the broker says. */
let answering: EffectAnswer;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gtpack-wrapped-'));
  for (const kind of kinds) {
    const effects: Effect[] = [];
    const { sandbox, logs } = openSandbox({
      onEffect: async (_, effect) => {
        effects.push(effect);
        return answering;
      },
    });
    sandbox.register(alpha, await linkedGuest(kind, granted, folder));
    twins.set(kind, { sandbox, effects, logs });
  }
}, 120_000);
afterAll(async () => {
  for (const { sandbox } of twins.values()) await sandbox.stop();
  await rm(folder, { recursive: true });
});

interface Outcome {
  readonly result: JobResult;
  readonly effects: readonly Effect[];
}

async function callOne(
  kind: string,
  operation: string,
  input: string,
  answer: EffectAnswer,
): Promise<Outcome> {
  const twin = twins.get(kind);
  if (twin === undefined) throw new Error(`${kind} was expected.`);
  answering = answer;
  twin.effects.length = 0;
  const result = await twin.sandbox.submit(alpha, { kind: 'invoke', provider: 'guest', operation, input });
  return { result, effects: [...twin.effects] };
}

/** Calls both twins; what they ask of the host and what they return has to be the same bytes. */
async function call(operation: string, input: unknown, answer: EffectAnswer): Promise<Outcome> {
  const text = JSON.stringify(input);
  const [first, second] = [
    await callOne('wrapped-as', operation, text, answer),
    await callOne('wrapped-ts', operation, text, answer),
  ];
  expect(asked(second)).toEqual(asked(first));
  expect(second.result).toEqual(first.result);
  return first;
}

/** What was asked, without what the cell makes up for each event. */
function asked({ effects }: Outcome): unknown[] {
  return effects.map(({ capability, fn, args, events }) => [
    capability,
    fn,
    args,
    events.map(({ json }) => {
      const { event_type, payload, metadata } = JSON.parse(json) as Record<string, Record<string, unknown>>;
      return [event_type, payload, metadata?.mine];
    }),
  ]);
}

const ok = (value: unknown): EffectAnswer => ({ kind: 'ok', output: JSON.stringify(value) });
const refused = (code: string, retryable = false): EffectAnswer => ({
  kind: 'problem',
  problem: { code, message: `It says “${code}” \u0001 é 😀 "\\`, retryable },
});
const gave = (value: unknown): unknown => ({ kind: 'output', output: JSON.stringify(value) });
const wrong = (fn: string): unknown => ({
  kind: 'problem',
  problem: {
    code: 'host_answer_invalid',
    message: `${fn}: the host's answer is not what the contract says.`,
    retryable: false,
  },
});

const TEXTS = ['', 'plain', 'é 😀 "quoted" \\ / \b\f\n\r\t \u0000\u001f\u007f\u2028', '{"ok":1}', '"}]'];
const HALF = 'half \ud800 of \udfff a pair';

/** Of each function a call, and which of the answers below its contract allows. */
const calls: readonly [operation: string, input: unknown, allowed: (answer: unknown) => boolean][] = [
  ['http_send', { url: 'https://api.example.com/' }, () => false],
  ['bus_publish', [{ event_type: 'a', payload: 1 }], () => false],
  ['timers_set', { id: 't', at: 1, event: { event_type: 'a', payload: 1 } }, () => false],
  ['timers_clear', 't', (answer) => answer === true],
  ['state_get', 'k', () => true],
  ['state_set', { key: 'k', value: 1 }, (answer) => answer === null],
  ['state_delete', 'k', (answer) => answer === true],
  ['secrets_get', 'KEY', (answer) => answer === 'text'],
];

describe.each(calls)('%s', (operation, input, allowed) => {
  test.each([
    ['capability_denied', false],
    ['http_timeout', true],
  ])('gives a refusal of the host as it is: %s', async (code, retryable) => {
    const answer = refused(code, retryable);
    expect((await call(operation, input, answer)).result).toEqual(answer);
  });

  test('gives a problem for every answer that its contract does not allow', async () => {
    for (const answer of [
      ...[null, true, 1, 'text', [], {}, [null]],
      ...[{ ids: null }, { ids: [1] }, { ids: [] }, { ids: ['a', 'b'] }, { ids: { 0: 'a' } }],
      ...[{ due_at: 'x' }, { due_at: 1.5 }, { due_at: null }],
      ...[
        { status: 200 },
        { status: '200', headers: {}, body: '' },
        { status: 200, headers: [], body: '' },
        { status: 200, headers: {}, body: null },
        { status: 0, headers: {}, body: '' },
        { status: 200, body: '' },
      ],
    ]) {
      const { result } = await call(operation, input, ok(answer));
      expect(result).toEqual(allowed(answer) ? gave(answer) : wrong(operation.replace('_', '.')));
    }
  });
});

const answered = (parts: object = {}): EffectAnswer =>
  ok({ status: 200, headers: { 'content-type': 'text/plain' }, body: '', body_encoding: 'utf8', ...parts });

async function sent(input: object): Promise<unknown> {
  const { effects } = await call('http_send', { url: 'https://api.example.com/a', ...input }, answered());
  expect(effects).toHaveLength(1);
  expect(effects[0]).toMatchObject({ capability: 'http', fn: 'send', events: [] });
  return JSON.parse(effects[0]?.args[0] ?? '');
}

describe('http.send', () => {
  const base = { method: 'GET', url: 'https://api.example.com/a' };

  test('asks with a URL alone', async () => {
    expect(await sent({})).toEqual(base);
  });

  test('asks with all that there is', async () => {
    expect(
      await sent({
        method: 'POST',
        headers: [
          ['X-A', '1'],
          ['x-b', '"2"'],
        ],
        text: 'body',
        timeout: 250,
        auth: 'TOKEN',
      }),
    ).toEqual({
      method: 'POST',
      url: base.url,
      headers: { 'X-A': '1', 'x-b': '"2"' },
      body: 'body',
      timeout_ms: 250,
      auth: 'TOKEN',
    });
  });

  test.each([...TEXTS, HALF])('sends the text %j whole', async (text) => {
    expect(await sent({ text })).toEqual({ ...base, body: text });
  });

  test('says that a body is JSON, unless the author said what it is', async () => {
    const json = { a: ['é', null, 1.5] };
    const body = JSON.stringify(json);
    const type = { 'content-type': 'application/json' };
    expect(await sent({ json })).toEqual({ ...base, headers: type, body });
    expect(await sent({ json: null })).toEqual({ ...base, headers: type, body: 'null' });
    expect(await sent({ headers: [['x-a', '1']], json })).toEqual({
      ...base,
      headers: { 'x-a': '1', ...type },
      body,
    });
    const own = [['Content-TYPE', 'application/ld+json']];
    expect(await sent({ headers: own, json })).toEqual({ ...base, headers: Object.fromEntries(own), body });
  });

  test('sends bytes as base64', async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    for (const bytes of [...[0, 1, 2, 3, 4, 5].map((length) => all.subarray(250, 250 + length)), all]) {
      const body = bytes.toString('base64');
      expect(await sent({ bytes: body })).toEqual({ ...base, body, body_encoding: 'base64' });
    }
  });

  test('sends a megabyte', async () => {
    const { effects } = await call('http_send', { url: base.url, zeros: 1 << 20 }, answered());
    expect(JSON.parse(effects[0]?.args[0] ?? '')).toEqual({
      ...base,
      body: Buffer.alloc(1 << 20).toString('base64'),
      body_encoding: 'base64',
    });
  });

  test('passes nonsense on, for the host to refuse', async () => {
    expect(await sent({ timeout: 0 })).toMatchObject({ timeout_ms: 0 });
    expect(await sent({ timeout: -1 })).toMatchObject({ timeout_ms: -1 });
    expect(await sent({ url: '', method: 'a b' })).toMatchObject({ url: '', method: 'a b' });
  });

  const shown = {
    status: 200,
    ok: true,
    base64: false,
    type: 'text/plain',
    proto: null,
    units: 0,
    size: 0,
    body: '',
    bytes: '',
    json: false,
  };

  test.each(TEXTS)('gives the text %j, its bytes, and whether it is JSON', async (body) => {
    const { result } = await call('http_send', { url: 'https://x/' }, answered({ body }));
    const bytes = Buffer.from(body);
    const json = body.startsWith('{');
    expect(result).toEqual(
      gave({ ...shown, units: body.length, size: bytes.length, body, bytes: bytes.toString('base64'), json }),
    );
  });

  test('gives bytes that are no text', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x80, 0xfe]);
    const body = bytes.toString('base64');
    const { result } = await call(
      'http_send',
      { url: 'https://x/' },
      answered({ body, body_encoding: 'base64' }),
    );
    expect(result).toEqual(gave({ ...shown, base64: true, units: 8, size: 4, body, bytes: body }));
  });

  test.each([
    [199, false, false],
    [200, true, false],
    [299, true, false],
    [301, false, false],
    [404, false, false],
    [500, false, 'later'],
    [599, false, 'later'],
  ])('gives the status %i as a value', async (status, isOk, json) => {
    const { result } = await call('http_send', { url: 'https://x/' }, answered({ status }));
    expect(result).toEqual(gave({ ...shown, status, ok: isOk, json }));
  });

  test('finds a header by its name in any letters, and nothing that the server did not send', async () => {
    const { result } = await call(
      'http_send',
      { url: 'https://x/' },
      answered({ headers: { 'x-a': '1', 'content-type': 'a "b" é', tostring: 'mine' } }),
    );
    expect(result).toEqual(gave({ ...shown, type: 'a "b" é', proto: 'mine' }));
    const none = await call('http_send', { url: 'https://x/' }, answered({ headers: {} }));
    expect(none.result).toEqual(gave({ ...shown, type: null }));
  });

  test('reads a response of a megabyte', async () => {
    const body = JSON.stringify('é😀'.repeat(150_000));
    const { result } = await call('http_send', { url: 'https://x/' }, answered({ body }));
    const size = Buffer.byteLength(body);
    expect(result).toEqual(gave({ ...shown, units: body.length, size, body: null, bytes: null, json: true }));
  });
});

describe('bus.publish', () => {
  test('publishes drafts and gives their ids in order', async () => {
    const drafts = TEXTS.map((text, n) => ({
      event_type: 'order.created',
      id: `e${n}`,
      payload: { text },
      metadata: { mine: text },
    }));
    const ids = drafts.map(({ id }) => `${id}"é`);
    const { result, effects } = await call('bus_publish', drafts, ok({ ids }));
    expect(result).toEqual(gave(ids));
    expect(effects).toMatchObject([{ capability: 'bus', fn: 'publish', args: [] }]);
    expect(effects[0]?.events.map(({ json }) => JSON.parse(json) as unknown)).toMatchObject(drafts);
  });

  test('publishes nothing of nothing', async () => {
    const { result } = await call('bus_publish', [], ok({ ids: [] }));
    expect(result).toEqual(gave([]));
  });

  test('has a draft without a type refused before it leaves the cell', async () => {
    const { result, effects } = await call('bus_publish', [{ payload: 1 }], ok({ ids: ['a'] }));
    expect(result).toMatchObject({ kind: 'problem', problem: { code: 'event_invalid' } });
    expect(effects).toEqual([]);
  });
});

describe('timers', () => {
  const event = { event_type: 'reminder.due', payload: { text: TEXTS[2] } };

  test('are set for an instant, and repeat', async () => {
    const timer = { id: 'é "1"', at: 1_900_000_000_000, every_ms: 60_000, event };
    const { result, effects } = await call('timers_set', timer, ok({ due_at: 1_900_000_000_000 }));
    expect(result).toEqual(gave(1_900_000_000_000));
    expect(parseTimerArguments(effects[0]?.args ?? [])).toMatchObject({
      id: timer.id,
      dueAt: timer.at,
      everyMs: 60_000,
      type: 'reminder.due',
      payload: JSON.stringify(event.payload),
    });
  });

  test('are set for a while from now', async () => {
    for (const kind of kinds) {
      const before = Date.now();
      const input = JSON.stringify({ id: 't', after_ms: 5000, event });
      const { effects } = await callOne(kind, 'timers_set', input, ok({ due_at: 5 }));
      const { dueAt, everyMs } = parseTimerArguments(effects[0]?.args ?? []);
      expect(dueAt).toBeGreaterThanOrEqual(before + 5000);
      expect(dueAt).toBeLessThanOrEqual(Date.now() + 5000);
      expect(everyMs).toBeNull();
    }
  });

  test('with nonsense are refused in the cell', async () => {
    for (const bad of [
      { id: '' },
      { at: -1 },
      { every_ms: 0 },
      { event: { ...event, id: 'x' } },
      { id: HALF },
    ]) {
      const { result, effects } = await call(
        'timers_set',
        { id: 't', at: 1, event, ...bad },
        ok({ due_at: 1 }),
      );
      expect(result).toMatchObject({ problem: { code: 'timer_invalid' } });
      expect(effects).toEqual([]);
    }
  });

  test.each([true, false])('are cleared by id: %j', async (was) => {
    for (const id of TEXTS.filter((text) => text !== '')) {
      const { result, effects } = await call('timers_clear', id, ok(was));
      expect(result).toEqual(gave(was));
      expect(effects).toMatchObject([{ fn: 'clear', args: [id] }]);
    }
  });
});

describe('timers that are set', () => {
  const listed = { id: 'é "1"', due_at: 5, every_ms: null, event_type: 'reminder.due' };

  test.each([
    [{}, ['', '100'], { timers: [], next: null }],
    [
      { after: 'é "1"', limit: 2 },
      ['é "1"', '2'],
      { timers: [listed, { ...listed, every_ms: 1000 }], next: 'ü"' },
    ],
  ])('are listed, a page at a time: %j', async (query, args, page) => {
    const { result, effects } = await call('timers_list', query, ok(page));
    expect(result).toEqual(gave(page));
    expect(effects).toMatchObject([{ capability: 'timers', fn: 'list', args }]);
  });

  test('are asked for within the bounds, and a page that no host gave is refused in the cell', async () => {
    for (const bad of [
      { limit: 0 },
      { limit: 101 },
      { after: '' },
      { after: 'x'.repeat(129) },
      { after: HALF },
    ]) {
      const { result, effects } = await call('timers_list', bad, ok({ timers: [], next: null }));
      expect(result).toMatchObject({ problem: { code: 'timer_invalid' } });
      expect(effects).toEqual([]);
    }
  });
});

describe('state', () => {
  test.each([null, false, 0, -1.5, '', TEXTS[2], [], {}, { a: { b: [1, 'é'] } }, [[[[]]]]])(
    'keeps %j and gives it back',
    async (value) => {
      const set = await call('state_set', { key: 'schlüssel "1"', value }, ok(null));
      expect(set.result).toEqual(gave(null));
      expect(set.effects).toMatchObject([
        { capability: 'state', fn: 'set', args: ['schlüssel "1"', JSON.stringify(value)] },
      ]);
      const got = await call('state_get', 'schlüssel "1"', ok(value));
      expect(got.result).toEqual(gave(value));
      expect(got.effects).toMatchObject([{ fn: 'get', args: ['schlüssel "1"'] }]);
    },
  );

  test('keeps half a surrogate pair in a value as the escape that it is', async () => {
    const { effects } = await call('state_set_text', { key: 'k', value: HALF }, ok(null));
    expect(effects[0]?.args[1]).toBe(JSON.stringify(HALF));
  });

  test('reads a text, or null for anything else', async () => {
    for (const value of [...TEXTS, null, 1, ['a'], {}]) {
      const { result } = await call('state_get_text', 'k', ok(value));
      expect(result).toEqual(gave(typeof value === 'string' ? value : null));
    }
  });

  test('reads an integer, or what was named for anything else', async () => {
    for (const value of [0, 7, -12, 2 ** 53 - 1, -(2 ** 53 - 1)]) {
      expect((await call('state_get_integer', 'k', ok(value))).result).toEqual(gave(value));
    }
    for (const value of [null, '7', [7], { n: 7 }, 1.5, true, 1e300]) {
      const { result } = await callOne('wrapped-as', 'state_get_integer', '"k"', ok(value));
      expect(result).toEqual(gave(-1));
    }
  });

  test('keeps texts and integers', async () => {
    for (const value of TEXTS) {
      const { effects } = await call('state_set_text', { key: 'k', value }, ok(null));
      expect(effects[0]?.args).toEqual(['k', JSON.stringify(value)]);
    }
    for (const value of [0, -7, 2 ** 53 - 1]) {
      const { effects } = await call('state_set_integer', { key: 'k', value }, ok(null));
      expect(effects[0]?.args).toEqual(['k', String(value)]);
    }
  });

  test('keeps and reads half a megabyte', async () => {
    const value = 'é'.repeat(100_000);
    const { effects } = await call('state_set', { key: 'k', value }, ok(null));
    expect(effects[0]?.args[1]).toBe(JSON.stringify(value));
    expect((await call('state_get', 'k', ok(value))).result).toEqual(gave(value));
  });

  test.each([true, false])('tells whether what was deleted was there: %j', async (was) => {
    const { result, effects } = await call('state_delete', 'é', ok(was));
    expect(result).toEqual(gave(was));
    expect(effects).toMatchObject([{ fn: 'delete', args: ['é'] }]);
  });
});

test('secrets.get gives the text of the secret, whatever is in it', async () => {
  for (const secret of TEXTS) {
    const { result, effects } = await call('secrets_get', 'KEY', ok(secret));
    expect(result).toEqual(gave(secret));
    expect(effects).toMatchObject([{ capability: 'secrets', fn: 'get', args: ['KEY'] }]);
  }
});

describe('half a surrogate pair in a text that is no JSON', () => {
  test.each([
    ['state_get', HALF, 'state_key_invalid'],
    ['state_set', { key: HALF, value: 1 }, 'state_key_invalid'],
    ['state_delete', HALF, 'state_key_invalid'],
    ['timers_clear', HALF, 'timer_invalid'],
    ['secrets_get', HALF, 'capability_denied'],
  ])(
    '%s refuses itself in TypeScript, where the engine would end, and the host in AssemblyScript',
    async (operation, input, code) => {
      const text = JSON.stringify(input);
      const answer = refused(code);
      const { result, effects } = await callOne('wrapped-ts', operation, text, answer);
      expect(result).toMatchObject({ kind: 'problem', problem: { code, retryable: false } });
      expect(effects).toEqual([]);
      const other = await callOne('wrapped-as', operation, text, answer);
      expect(other.result).toEqual(answer);
      expect(other.effects[0]?.args[0]).toBe(HALF);
    },
  );

  test('becomes U+FFFD in the log and in a problem’s message', async () => {
    const message = HALF.toWellFormed();
    const { result } = await callOne('wrapped-ts', 'refuse', JSON.stringify(HALF), ok(null));
    expect(result).toEqual({
      kind: 'problem',
      problem: { code: 'asked_to_refuse', message, retryable: false },
    });
    expect(twins.get('wrapped-ts')?.logs.splice(0)).toMatchObject([{ level: 'warn', message }]);
  });
});

describe('a problem', () => {
  test('in AssemblyScript has no value: who takes it all the same ends the call, told why', async () => {
    const ended = callOne('wrapped-as', 'value_of_problem', '"KEY"', refused('capability_denied'));
    await expect(ended).rejects.toMatchObject({
      code: 'guest_trap',
      message: expect.stringContaining('There is no value: capability_denied: It says') as string,
    });
    expect((await call('secrets_get', 'KEY', ok('x'))).result).toEqual(gave('x'));
  });

  test('in TypeScript is caught as what it is', async () => {
    const answer = refused('http_timeout', true);
    const { result } = await callOne('wrapped-ts', 'caught', '"KEY"', answer);
    expect(result).toEqual(gave(answer.kind === 'problem' ? answer.problem : null));
  });

  test('that nobody caught is the answer of the call, and no defect for the log, whoever called the host', async () => {
    const answer = refused('http_timeout', true);
    for (const operation of ['raw', 'secrets_get'])
      expect((await callOne('wrapped-ts', operation, '"KEY"', answer)).result).toEqual(answer);
    expect(twins.get('wrapped-ts')?.logs).toEqual([]);
  });

  test('is not what comes of a value that has no JSON: that is a defect', async () => {
    await expect(callOne('wrapped-ts', 'no_json', 'null', ok(null))).rejects.toMatchObject({
      code: 'guest_trap',
    });
    expect((await call('secrets_get', 'KEY', ok('x'))).result).toEqual(gave('x'));
  });
});
