import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { scriptComponent, textComponent } from './component-maker.ts';
import { type FieldCell, type FieldCellOptions, openFieldCell } from './field-cell.ts';
import { HTTP_CLIENTS, RUNTIME_CBOR, SCHEMA_CORE, typesWit } from './field-wit.ts';
import { SCHEMA_CORE_SCRIPT } from './guest-script.ts';

const cells: FieldCell[] = [];
afterEach(async () => {
  for (const cell of cells.splice(0)) await cell.stop();
});

async function open(wasm: Uint8Array, options: FieldCellOptions = {}): Promise<FieldCell> {
  const cell = await openFieldCell(wasm, options);
  cells.push(cell);
  return cell;
}

const KNOWN_FIELDS = `
  record fields { constructor-name: string, to-string: string, has-own-property: string }`;

const FUNCTIONS_WIT = `package test:built@0.1.0;
interface lies {${KNOWN_FIELDS}
  variant kinds { a, b(string) }
  enum names { first, second }
  count: func() -> u32;
  refuse: func() -> result<u32, string>;
  unknown-case: func() -> kinds;
  unknown-name: func() -> names;
  outside: func() -> string;
  past-the-end: func() -> list<u8>;
  not-text: func() -> string;
  aliased: func() -> list<string>;
  aliased-bytes: func() -> list<list<u8>>;
  many: func() -> list<u32>;
  large: func() -> list<u8>;
  inherited: func() -> fields;
  trap: func();
  spin: func();
  swallow: func() -> u32;
}
world built { export lies; }`;

const lies = (name: string): string => `"test:built/lies@0.1.0#${name}"`;
/** A pointer and a length, at 16. */
const list = (at: number, length: number): string =>
  `(i32.store (i32.const 16) (i32.const ${at})) (i32.store (i32.const 20) (i32.const ${length})) (i32.const 16)`;
const MB = 1_000_000;

const FUNCTIONS_WAT = `(module
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func $room (param $bytes i32)
    (drop (memory.grow (i32.div_u (i32.add (local.get $bytes) (i32.const 65535)) (i32.const 65536)))))
  (func (export ${lies('count')}) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
  (func (export ${lies('refuse')}) (result i32)
    (i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const 64))
    (i32.store (i32.const 24) (i32.const 2)) (i32.store16 (i32.const 64) (i32.const 0x6f6e)) (i32.const 16))
  (func (export ${lies('unknown-case')}) (result i32) (i32.store8 (i32.const 16) (i32.const 7)) (i32.const 16))
  (func (export ${lies('unknown-name')}) (result i32) (i32.const 99))
  (func (export ${lies('outside')}) (result i32) ${list(-16, 64)})
  (func (export ${lies('past-the-end')}) (result i32) ${list(65_000, 5000)})
  (func (export ${lies('not-text')}) (result i32) (i32.store (i32.const 64) (i32.const 0x80fffec0)) ${list(64, 4)})
  (func $alias (param $count i32) (param $length i32) (local $at i32)
    (call $room (i32.add (i32.mul (local.get $count) (i32.const 8)) (local.get $length)))
    (local.set $at (i32.const 65536))
    (loop
      (i32.store (local.get $at) (i32.const 0))
      (i32.store offset=4 (local.get $at) (local.get $length))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if 0 (i32.lt_u (local.get $at) (i32.add (i32.const 65536) (i32.mul (local.get $count) (i32.const 8)))))))
  (func (export ${lies('aliased')}) (result i32)
    (call $alias (i32.const 4000) (i32.const 10000)) ${list(65_536, 4000)})
  (func (export ${lies('aliased-bytes')}) (result i32)
    (call $alias (i32.const 4000) (i32.const 10000)) ${list(65_536, 4000)})
  (func (export ${lies('many')}) (result i32) (call $room (i32.const ${20 * MB})) ${list(0, 4 * MB)})
  (func (export ${lies('large')}) (result i32) (call $room (i32.const ${30 * MB})) ${list(0, 30 * MB)})
  (func (export ${lies('inherited')}) (result i32)
    (i64.store (i32.const 16) (i64.const 0x100000040)) (i64.store (i32.const 24) (i64.const 0x100000040))
    (i64.store (i32.const 32) (i64.const 0x100000040)) (i32.store8 (i32.const 64) (i32.const 0x78)) (i32.const 16))
  (func (export ${lies('trap')}) unreachable)
  (func (export ${lies('spin')}) (loop (br 0)))
  (func (export ${lies('swallow')}) (result i32)
    (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (memory.size)))`;

describe('a component that lies about its values', () => {
  test.each([
    ['a variant of a case that there is not', 'unknown-case', 'guest_trap'],
    ['an enum of a name that there is not', 'unknown-name', 'guest_trap'],
    ['a text outside of its memory', 'outside', 'guest_trap'],
    ['a list of texts that are one and the same', 'aliased', 'guest_output_invalid'],
    ['a list of bytes that are one and the same', 'aliased-bytes', 'guest_output_invalid'],
    ['four million numbers', 'many', 'guest_output_invalid'],
    ['30 MB', 'large', 'guest_output_invalid'],
    ['nothing but a trap', 'trap', 'guest_trap'],
  ])('with %s loses its instance, and no more than that', async (_, fn, code) => {
    const cell = await open(await textComponent(FUNCTIONS_WIT, FUNCTIONS_WAT), {
      limits: { cpuSliceMs: 20_000 },
    });
    expect(await cell.output('count')).toBe(1);
    expect(await cell.output('count')).toBe(2);
    await expect(cell.invoke(fn)).rejects.toMatchObject({ code });
    expect(await cell.output('count')).toBe(1);
    expect(cell.losses).toEqual([]);
  });

  test('a list that goes on past the end of its memory ends there', async () => {
    const cell = await open(await textComponent(FUNCTIONS_WIT, FUNCTIONS_WAT));
    expect(Buffer.from(String(await cell.output('past-the-end')), 'base64')).toHaveLength(65_536 - 65_000);
  });

  test('its own typed error costs it nothing', async () => {
    const cell = await open(await textComponent(FUNCTIONS_WIT, FUNCTIONS_WAT));
    expect(await cell.output('count')).toBe(1);
    expect(await cell.invoke('refuse')).toEqual({
      kind: 'problem',
      problem: { code: 'component_error', message: 'no', retryable: false },
    });
    expect(await cell.output('count')).toBe(2);
  });

  test('bytes that are no text become replacement characters, and fields may be called like what objects inherit', async () => {
    const cell = await open(await textComponent(FUNCTIONS_WIT, FUNCTIONS_WAT));
    expect(await cell.output('not-text')).toMatch(/^\ufffd+$/);
    expect(await cell.output('inherited')).toEqual({
      'constructor-name': 'x',
      'to-string': 'x',
      'has-own-property': 'x',
    });
  });

  test('it grows its memory to its bound and no further', async () => {
    const cell = await open(await textComponent(FUNCTIONS_WIT, FUNCTIONS_WAT));
    expect(await cell.output('swallow')).toBeLessThanOrEqual(1024);
  });

  test('a loop without end costs it its cell, and the next call is served', async () => {
    const cell = await open(await textComponent(FUNCTIONS_WIT, FUNCTIONS_WAT));
    await expect(cell.invoke('spin')).rejects.toMatchObject({ code: 'guest_timeout' });
    expect(await cell.output('count')).toBe(1);
  });
});

test('a component that wants more memory than an instance may have is refused by name', async () => {
  const wasm = await textComponent(
    'package test:built@0.1.0; world built { export hello: func(); }',
    '(module (memory (export "memory") 1025) (func (export "hello")))',
  );
  await expect(openFieldCell(wasm)).rejects.toMatchObject({ code: 'guest_memory_too_large' });
});

const SCHEMA_SCRIPT = `
const operations = {};${SCHEMA_CORE_SCRIPT}
schemaCoreApi.invoke = (op, input) => {
  const { bytes, length, text, repeat, loop } = JSON.parse(toText(input));
  if (loop) for (;;) {}
  return text === undefined ? bytes === undefined ? new Uint8Array(length) : Uint8Array.from(bytes) : toBytes(text.repeat(repeat ?? 1));
};`;

describe('a schema-core component that returns', () => {
  const wasm = () =>
    scriptComponent({
      world: 'world built { export greentic:provider-schema-core/schema-core-api@1.0.0; }',
      packages: [SCHEMA_CORE],
      script: SCHEMA_SCRIPT,
    });
  test.each<[string, unknown]>([
    ['30 MB', { length: 30_000_000 }],
    ['bytes that are not UTF-8', { bytes: [0x22, 0xff, 0x22] }],
    ['what is no JSON', { text: '{"a":' }],
    ['nothing', { bytes: [] }],
    ['more than an event may hold', { text: '"aaaaaaaaaa', repeat: 30_000 }],
    ['what nests too deep', { text: '[', repeat: 1000 }],
  ])('%s is refused, and serves the next call', async (_, input) => {
    const cell = await open(await wasm(), { limits: { cpuSliceMs: 20_000 } });
    await expect(cell.invoke('x', input)).rejects.toMatchObject({ code: 'guest_output_invalid' });
    expect(await cell.output('x', { text: '{"__proto__":{"a":1},"then":1,"toJSON":2}' })).toEqual(
      JSON.parse('{"__proto__":{"a":1},"then":1,"toJSON":2}'),
    );
  });

  test('never, for it loops, is ended', async () => {
    const cell = await open(await wasm());
    await expect(cell.invoke('x', { loop: true })).rejects.toMatchObject({ code: 'guest_timeout' });
    expect(await cell.output('x', { text: '1' })).toBe(1);
  });
});

describe('CBOR of a component', () => {
  let wasm: Uint8Array;
  beforeAll(async () => {
    wasm = await scriptComponent({
      world: 'world built { export greentic:component/runtime@0.6.1; }',
      packages: [RUNTIME_CBOR],
      script: `export const runtime = { invoke: (op) => {
  const [hex, times] = op.split('*');
  return Uint8Array.from(hex.repeat(Number(times ?? 1)).match(/../g) ?? [], (pair) => parseInt(pair, 16));
} };`,
    });
  });

  test.each([
    ['a list that says it holds 2^63 values', '9b7fffffffffffffff'],
    ['a text that says it is 4 GB', '7affffffff'],
    ['lists in lists, 100,000 deep', '81*100000'],
    ['lists without an end', '9f*5000'],
    ['200,000 values', '9a00030d40f6f6*40000'],
    ['a key twice', 'a2616101616102'],
    ['keys that are no texts', 'a10102'],
    ['a tag', 'c11a514b67b0'],
    ['half of a value', '8301'],
    ['more than one value', '0101'],
    ['a text that is not UTF-8', '62fffe'],
  ])('that is %s is refused', async (_, hex) => {
    const cell = await open(wasm, { limits: { cpuSliceMs: 20_000 } });
    await expect(cell.invoke(hex)).rejects.toMatchObject({ code: 'guest_output_invalid' });
    expect(await cell.output('8101')).toEqual([1]);
  });

  test.each<[string, string, unknown]>([
    ['an integer past the safe range', '1bffffffffffffffff', '18446744073709551615'],
    ['one below it', '3b7fffffffffffffff', '-9223372036854775808'],
    ['a small negative one', '3903e7', -1000],
    ['a huge number', 'fb7e37e43c8800759c', 1e300],
    ['one that JSON lacks', 'f97c00', 'Infinity'],
    ['undefined', '82f7f6', [null, null]],
    ['a key that objects know', 'a1695f5f70726f746f5f5fa1616101', JSON.parse('{"__proto__":{"a":1}}')],
    ['bytes', '4300ff07', 'AP8H'],
    ['a list that ends with a break', '9f0102ff', [1, 2]],
  ])('that is %s is read', async (_, hex, value) => {
    const cell = await open(wasm);
    const output = await cell.output(hex);
    expect(JSON.stringify(output)).toBe(JSON.stringify(value));
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });
});

describe('a component that waits for the outside', () => {
  let server: Server;
  let origin: string;
  beforeAll(async () => {
    server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test('is answered when its time is over, and its instance is not left behind', async () => {
    const wasm = await scriptComponent({
      world:
        'world built { import greentic:http/http-client@1.0.0; export greentic:provider-schema-core/schema-core-api@1.0.0; }',
      packages: [SCHEMA_CORE, HTTP_CLIENTS.plain, typesWit(true)],
      script: `
import { send } from 'greentic:http/http-client@1.0.0';
let calls = 0;
const operations = {
  count: () => (calls += 1),
  wait: ({ url }) => send({ method: 'GET', url, headers: [], body: undefined }, undefined).status,
};${SCHEMA_CORE_SCRIPT}`,
    });
    const cell = await open(wasm, {
      grants: { http: { hosts: [origin], networks: ['127.0.0.0/8'] } },
      limits: { effectCallWallMs: 200 },
    });
    expect(await cell.output('count')).toBe(1);
    expect(await cell.output('wait', { url: origin })).toMatchObject({ caught: { code: 'guest_timeout' } });
    expect(await cell.output('count')).toBe(2);
  });
});
