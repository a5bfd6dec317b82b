import { expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { compareInterface, pluginInterface } from '../../host/pack/plugin-interface.ts';
import { readWasmInterface, wasmKind } from '../../host/pack/wasm-interface.ts';
import { component, coreModule, leb, section, text, vector } from './fixture/wasm.ts';

const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

test('a module and a component are told apart by their first eight bytes', () => {
  expect(wasmKind(coreModule({}))).toBe('module');
  expect(wasmKind(component({}))).toBe('component');
  expect(wasmKind(Buffer.from('\0asm\x02\0\0\0', 'latin1'))).toBeUndefined();
  expect(wasmKind(Buffer.from('\0asm'))).toBeUndefined();
  expect(wasmKind(Buffer.alloc(0))).toBeUndefined();
});

test('what is read of a module is what the engine says of it', async () => {
  const bytes = Buffer.from([
    ...header,
    ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7f]),
    ...section(
      2,
      vector([
        [...text('env'), ...text('f'), 0, 0],
        [...text('env'), ...text('t'), 1, 0x70, 1, 1, ...leb(300)],
        [...text('env'), ...text('m'), 2, 1, 1, 2],
        [...text('env'), ...text('g'), 3, 0x7f, 0],
        [...text('ünï'), ...text(''), 0, 0],
      ]),
    ),
    ...section(
      7,
      vector([
        [...text('again'), 0, 0],
        [...text('memory'), 2, 0],
      ]),
    ),
    ...section(0, [...text('note'), 1, 2, 3]),
  ]);
  const module = await WebAssembly.compile(bytes);
  const read = readWasmInterface(bytes, 'x.wasm');
  expect(read.imports.map(({ module, name, kind }) => ({ module, name, kind }))).toEqual(
    WebAssembly.Module.imports(module).map(({ module, name, kind }) => ({ module, name, kind })),
  );
  expect(read.exports.map(({ name, kind }) => ({ name, kind }))).toEqual(
    WebAssembly.Module.exports(module).map(({ name, kind }) => ({ name, kind })),
  );
  const signature = { parameters: ['i32'], results: ['i32'] };
  expect(read.imports.map((item) => item.signature)).toEqual([
    signature,
    undefined,
    undefined,
    undefined,
    signature,
  ]);
  expect(read.exports.map((item) => item.signature)).toEqual([signature, undefined]);
});

test('a function of a module that takes or gives something else than pointers is told of', () => {
  const bytes = Buffer.from([
    ...header,
    ...section(
      1,
      vector([
        [0x60, 1, 0x7e, 1, 0x7f],
        [0x60, 2, 0x7f, 0x7f, 0],
        [0x60, 1, 0x7f, 1, 0x7f],
      ]),
    ),
    ...section(
      2,
      vector([
        [...text('gtpack:plugin/bus@0.1.0'), ...text('publish'), 0, 1],
        [...text('gtpack:plugin/log@0.1.0'), ...text('write'), 0, 1],
        [...text('env'), ...text('abort'), 0, 1],
      ]),
    ),
    ...section(3, vector([[0], [2], [1]])),
    ...section(
      7,
      vector([
        [...text('ingest'), 0, 3],
        [...text('tick'), 0, 4],
        [...text('__pin'), 0, 5],
      ]),
    ),
  ]);
  expect(pluginInterface(readWasmInterface(bytes, 'x')).mismatches).toEqual([
    { part: 'the export "ingest"', expected: '(i32) -> (i32)', actual: '(i64) -> (i32)' },
    { part: 'the export "__pin"', expected: '(i32) -> (i32)', actual: '(i32, i32) -> ()' },
    { part: 'the import "bus.publish"', expected: '(i32) -> (i32)', actual: '(i32, i32) -> ()' },
    { part: 'the import "env.abort"', expected: '(i32, i32, i32, i32) -> ()', actual: '(i32, i32) -> ()' },
  ]);
});

test('the interfaces of a component are read; what lies inside it is passed over', () => {
  const inner = section(1, [...coreModule({ imports: [['hidden', 'f']], exports: ['ingest'] })]);
  const outer = component({ imports: ['gtpack:plugin/log@0.1.0'], exports: ['gtpack:plugin/tick@0.1.0'] });
  const read = readWasmInterface(Buffer.concat([outer, Buffer.from(inner)]), 'x.wasm');
  expect(read.kind).toBe('component');
  expect(read.imports).toMatchObject([
    { module: 'gtpack:plugin/log@0.1.0', name: '', kind: 'interface', extern: { kind: 'interface' } },
  ]);
  expect(read.exports).toMatchObject([{ name: 'gtpack:plugin/tick@0.1.0', kind: 'interface' }]);
});

test.each([
  ['a section past the end', [...header, 2, 200]],
  ['a length of more than 32 bits', [...header, 2, 0xff, 0xff, 0xff, 0xff, 0x7f]],
  ['a length without end', [...header, 2, ...Array.from({ length: 20 }, () => 0x80)]],
  ['a million imports', [...header, ...section(2, leb(1_000_000))]],
  ['more imports than bytes', [...header, ...section(2, leb(100))]],
  ['a name past its section', [...header, ...section(2, [1, ...leb(200), 0x61])]],
  ['a name of 2,000 bytes', [...header, ...section(2, [1, ...text('x'.repeat(2000))])]],
  ['a name that is not UTF-8', [...header, ...section(2, [1, 1, 0xff])]],
  ['an unknown kind of import', [...header, ...section(2, [1, ...text('a'), ...text('b'), 9])]],
  [
    'an unknown form of component name',
    [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, ...section(10, [1, 7, ...text('a')])],
  ],
  [
    'an unknown kind of component export',
    [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, ...section(11, [1, 0, ...text('a'), 9])],
  ],
])('a binary with %s is refused', (_title, bytes) => {
  const read = (): unknown => readWasmInterface(Buffer.from(bytes), 'x.wasm');
  expect(read).toThrow(GtpackError);
  expect(read).toThrow(/^x\.wasm: The WebAssembly (module|component) cannot be read: /);
});

test('a component may import WASI 0.2, which the sandbox answers', () => {
  const wasm = component({
    imports: ['wasi:cli/environment@0.2.3', 'wasi:sockets/tcp@0.2.9', 'gtpack:plugin/types@0.1.0'],
    exports: ['gtpack:plugin/invoke@0.1.0'],
  });
  expect(pluginInterface(readWasmInterface(wasm, 'x'))).toEqual({
    exports: ['invoke'],
    imports: [],
    foreign: [],
    mismatches: [],
  });
});

test('a module may import env.abort and nothing else of env, and no WASI', () => {
  const wasm = coreModule({
    imports: [
      ['env', 'abort'],
      ['env', 'now'],
      ['wasi:cli/exit@0.2.3', 'exit'],
    ],
    exports: ['tick'],
  });
  expect(pluginInterface(readWasmInterface(wasm, 'x')).foreign).toEqual([
    'env now',
    'wasi:cli/exit@0.2.3 exit',
  ]);
});

test('every difference between a binary and its pack is named, with its cure', () => {
  const actual = {
    exports: ['tick', 'handle'],
    imports: ['log', 'http'],
    foreign: ['env now'],
    mismatches: [{ part: 'the export "tick"', expected: '(i32) -> (i32)', actual: '() -> ()' }],
  } as const;
  const faults = compareInterface(
    {
      id: 'clock',
      exports: ['tick', 'invoke'],
      operations: [{ name: 'now' }],
      requests: [{ capability: 'state' }],
    },
    actual,
  );
  expect(faults.map(({ kind }) => kind)).toEqual([
    'export_missing',
    'request_missing',
    'import_foreign',
    'type_mismatch',
    'request_unused',
    'export_undeclared',
  ]);
  expect(faults.map(({ cure }) => cure)).toEqual([
    "Export a function invoke in the provider's source.",
    'Add to its requests in pack.yaml: - { capability: http, reason: "why it is needed" }',
    'Use only http, bus, sendgrid, twilio, timers, state, config, log, secrets of gtpack:plugin@0.1.0.',
    'Build it against gtpack:plugin@0.1.0, as the SDK has it.',
    'Take the request for state out of pack.yaml.',
    'Declare it in pack.yaml: exports: [tick, invoke, handle]',
  ]);
});
