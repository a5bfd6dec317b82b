import { beforeAll, describe, expect, test } from 'vitest';
import type { PluginExport } from '../../host/contract.ts';
import { compileTypeScript } from '../../host/pack/compile-typescript.ts';
import { componentFactory } from './component.ts';
import { buildAssemblyScript, cachedBuild, Guest, repositoryPath } from './guest.ts';

const CONFIG = '{"greeting":"hé \\"you\\""}';

interface Twin {
  readonly logged: string[];
  call(name: PluginExport, ...texts: readonly string[]): unknown;
  memoryBytes(): number;
  /** A new instance takes the place of one that threw. */
  restart(): void;
}

const twins = new Map<string, Twin>();

function assemblyScriptTwin(wasm: Uint8Array): Twin {
  let guest = new Guest(new Uint8Array(wasm), CONFIG);
  return {
    get logged() {
      return guest.logged;
    },
    call: (name, ...texts) => JSON.parse(guest.call(name, ...texts)),
    memoryBytes: () => guest.memoryBytes,
    restart: () => {
      guest = new Guest(new Uint8Array(wasm), CONFIG);
    },
  };
}

async function typeScriptTwin(wasm: Uint8Array): Promise<Twin> {
  const instantiate = await componentFactory(wasm, CONFIG);
  let component = instantiate();
  return {
    get logged() {
      return component.logged;
    },
    call: (name, ...texts) => component.call(name, ...texts),
    memoryBytes: () => component.memoryBytes(),
    restart: () => {
      component = instantiate();
    },
  };
}

beforeAll(async () => {
  const folder = 'test/guests/echo-ts';
  const component = await cachedBuild(folder, () =>
    compileTypeScript(repositoryPath(folder), 'provider.ts', {
      exports: ['ingest', 'tick', 'handle', 'invoke'],
      imports: [],
    }),
  );
  twins.set('AssemblyScript', assemblyScriptTwin(await buildAssemblyScript('test/guests/echo-as')));
  twins.set('TypeScript', await typeScriptTwin(component));
});

function expectBoth(expected: unknown, name: PluginExport, ...texts: readonly string[]): void {
  for (const [language, twin] of twins) {
    expect({ language, answer: twin.call(name, ...texts) }).toEqual({ language, answer: expected });
  }
}

const ok = (value: unknown): unknown => ({ ok: value });
const problem = (code: string, message: string, retryable = false): unknown => ({
  err: { code, message, retryable },
});

const request = (parts: object): string =>
  JSON.stringify({
    handler: null,
    event_type: 'order.created',
    method: 'POST',
    path: '/x',
    query: {},
    headers: {},
    body: '',
    body_encoding: 'utf8',
    verified: null,
    received_at: 1,
    ...parts,
  });

describe('a provider in AssemblyScript and its twin in TypeScript answer alike', () => {
  test.each([{}, [], null, 0, -1.5, '', 'é 😀 "\\ \u0000 \u2028', { a: { b: [1, null, true] } }, [[[[]]]]])(
    'a body of %j',
    (payload) => {
      expectBoth(
        ok({ events: [{ event_type: 'order.created', payload }] }),
        'ingest',
        request({ body: JSON.stringify(payload) }),
      );
    },
  );

  test('an idempotency key, and no event type', () => {
    expectBoth(
      ok({ events: [{ idempotency_key: 'k"1', payload: 1 }] }),
      'ingest',
      request({ event_type: null, headers: { 'idempotency-key': 'k"1' }, body: '1' }),
    );
  });

  test('the scheme that the host checked the request by', () => {
    const event = { event_type: 'order.created', payload: 1 };
    const headers = { verified: 'forged' };
    expectBoth(
      ok({ events: [{ ...event, metadata: { verified: 'git"hub' } }] }),
      'ingest',
      request({ body: '1', headers, verified: 'git"hub' }),
    );
    expectBoth(ok({ events: [event] }), 'ingest', request({ body: '1', headers }));
  });

  test.each(['', '{', 'nope', '[1,]', "{'a':1}"])('a body that is not JSON: %j', (body) => {
    expectBoth(problem('json_invalid', 'The body is not JSON.'), 'ingest', request({ body }));
  });

  test('a body of bytes', () => {
    expectBoth(
      problem('json_invalid', 'The body is not JSON.'),
      'ingest',
      request({ body: '1234', body_encoding: 'base64' }),
    );
  });

  test('a tick, and an event that was subscribed to', () => {
    const tick = { schedule: 'flow:f/0', name: 'f', scheduled_at: 1, fired_at: 2, last_run: null, missed: 0 };
    expectBoth(ok({ events: [{ event_type: 'echo.tick', payload: tick }] }), 'tick', JSON.stringify(tick));
    const event = { id: 'a', event_type: 'b.c', source: 's', timestamp: 1, payload: { x: 'é' } };
    expectBoth(
      ok({ events: [{ event_type: 'echo.handled', payload: event }] }),
      'handle',
      JSON.stringify(event),
    );
  });

  test('operations', () => {
    for (const value of [null, 'x', { a: ['é', 1.5, false] }])
      expectBoth(ok(value), 'invoke', 'echo', JSON.stringify(value));
    expectBoth(ok(6), 'invoke', 'sum', '[1, 2, 3]');
    expectBoth(ok(0), 'invoke', 'sum', '[]');
    expectBoth(ok(-9_007_199_254_740_990), 'invoke', 'sum', '[-9007199254740991,1]');
    expectBoth(ok(JSON.parse(CONFIG)), 'invoke', 'config', 'null');
  });

  test('a problem that is meant', () => {
    expectBoth(problem('asked_to_fail', 'It was asked to fail.', true), 'invoke', 'fail', '{}');
    for (const name of ['nope', 'toString', '__proto__', '']) {
      expectBoth(problem('operation_unknown', `There is no operation "${name}".`), 'invoke', name, '{}');
    }
  });

  test('a line for the log', () => {
    expectBoth(ok(null), 'invoke', 'log', '{"message":"é 😀 \\"x\\""}');
    expectBoth(ok(null), 'invoke', 'log', '{}');
    for (const { logged } of twins.values()) expect(logged.slice(-2)).toEqual(['info: é 😀 "x"', 'info: ']);
  });

  test('a body of 1 MiB', () => {
    const rows = Array.from({ length: 25_000 }, (_, row) => ({ row, text: 'a "quoted" word' }));
    expectBoth(
      ok({ events: [{ event_type: 'order.created', payload: rows }] }),
      'ingest',
      request({ body: JSON.stringify(rows) }),
    );
  });

  test('an exception ends the call with a throw, and a new instance serves', () => {
    for (const twin of twins.values()) {
      expect(() => twin.call('invoke', 'throw', '{}')).toThrow();
      twin.restart();
    }
    expectBoth(ok(1), 'invoke', 'echo', '1');
  });

  test('the TypeScript provider’s exception is in the log, with its message and the place', () => {
    const twin = twins.get('TypeScript');
    expect(() => twin?.call('invoke', 'throw', '{}')).toThrow();
    expect(twin?.logged.at(-1)).toMatch(/^error: The provider threw: It was asked to throw\.\n +at /);
    twin?.restart();
  });

  test('memory stays flat over many calls', () => {
    const text = request({ body: '{"a":[1,2,{"b":"c"}]}' });
    for (let count = 0; count < 1000; count += 1)
      for (const twin of twins.values()) twin.call('ingest', text);
    const settled = [...twins.values()].map((twin) => twin.memoryBytes());
    for (let count = 0; count < 4000; count += 1)
      for (const twin of twins.values()) twin.call('ingest', text);
    expect([...twins.values()].map((twin) => twin.memoryBytes())).toEqual(settled);
  });
});
