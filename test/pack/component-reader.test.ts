import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { componentEmbed, componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PLUGIN_EXPORTS, PLUGIN_IMPORTS } from '../../host/contract.ts';
import { GtpackError } from '../../host/errors.ts';
import { compileTypeScript } from '../../host/pack/compile-typescript.ts';
import {
  functionText,
  sameFunction,
  sameType,
  typeText,
  type ValueType,
} from '../../host/pack/component-types.ts';
import { interfaceName, pluginInterface } from '../../host/pack/plugin-interface.ts';
import { EXPORT_TYPES, IMPORT_TYPES } from '../../host/pack/plugin-types.ts';
import { readWasmInterface } from '../../host/pack/wasm-interface.ts';
import { leb, section, text, vector } from './fixture/wasm.ts';

const HEADER = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];
const sdkWit = await readFile(new URL('../../sdk/wit/plugin.wit', import.meta.url), 'utf8');

/** A component of a world whose functions do nothing, as the toolchains' own library makes it. */
async function componentOf(witSource: string, world: string): Promise<Uint8Array> {
  return componentNew(await componentEmbed({ dummy: true, witSource, world }));
}

type Texts = Record<string, Record<string, string> | string>;

/** Every function that a component imports and exports, in the manner of WIT. */
function functionsOf(wasm: Uint8Array): { readonly imports: Texts; readonly exports: Texts } {
  const read = readWasmInterface(wasm, 'x.wasm');
  const textsOf = (items: readonly (readonly [string, (typeof read.exports)[number]['extern']])[]): Texts =>
    Object.fromEntries(
      items.map(([name, extern]) => {
        if (extern?.kind === 'function') return [name, functionText(extern.type)];
        const inner = extern?.kind === 'interface' ? [...extern.exports] : [];
        return [
          name,
          Object.fromEntries(
            inner.flatMap(([fn, item]) => (item.kind === 'function' ? [[fn, functionText(item.type)]] : [])),
          ),
        ];
      }),
    );
  return {
    imports: textsOf(read.imports.map(({ module, extern }) => [module, extern])),
    exports: textsOf(read.exports.map(({ name, extern }) => [name, extern])),
  };
}

test('the functions that the host expects are those of sdk/wit, each with its types', async () => {
  const wasm = await componentOf(sdkWit, 'everything');
  const { imports, exports } = functionsOf(wasm);
  const expected: Texts = { [interfaceName('types')]: {} };
  for (const name of PLUGIN_IMPORTS) {
    expected[interfaceName(name)] = Object.fromEntries(
      Object.entries(IMPORT_TYPES[name]).map(([fn, type]) => [fn, functionText(type)]),
    );
  }
  expect(imports).toEqual(expected);
  expect(exports).toEqual(
    Object.fromEntries(
      PLUGIN_EXPORTS.map((name) => [interfaceName(name), { [name]: functionText(EXPORT_TYPES[name]) }]),
    ),
  );
  expect(pluginInterface(readWasmInterface(wasm, 'x'))).toEqual({
    exports: PLUGIN_EXPORTS,
    imports: PLUGIN_IMPORTS,
    foreign: [],
    mismatches: [],
  });
});

test('resources, types of other interfaces and functions without an interface are read by what they mean', async () => {
  const wasm = await componentOf(
    `package a:b@1.0.0;
     interface base {
       resource pollable { ready: func() -> bool; constructor(n: u8); make: static func() -> pollable; }
       variant v { one(list<u8>), two, three(tuple<u8, s64>) }
       flags f { a, b }
     }
     interface other {
       use base.{pollable as p, v, f};
       poll: func(in: list<borrow<p>>, f: f) -> result<_, v>;
       take: func(p: p) -> option<result>;
     }
     interface out { use base.{v}; resource thing { get: func() -> v; } make: func(a: f32, b: char) -> thing; }
     world w { import other; import plain: func(x: list<list<string>>); export out; export run: func() -> result<u8>; }`,
    'w',
  );
  const V = 'variant { one(list<u8>), two, three(tuple<u8, s64>) }';
  expect(functionsOf(wasm)).toEqual({
    imports: {
      'a:b/base@1.0.0': {
        '[method]pollable.ready': 'func(self: borrow<pollable>) -> bool',
        '[constructor]pollable': 'func(n: u8) -> pollable',
        '[static]pollable.make': 'func() -> pollable',
      },
      'a:b/other@1.0.0': {
        poll: `func(in: list<borrow<pollable>>, f: flags { a, b }) -> result<_, ${V}>`,
        take: 'func(p: pollable) -> option<result>',
      },
      plain: 'func(x: list<list<string>>)',
    },
    exports: {
      'a:b/out@1.0.0': {
        '[method]thing.get': `func(self: borrow<thing>) -> ${V}`,
        make: 'func(a: f32, b: char) -> thing',
      },
      run: 'func() -> result<u8>',
    },
  });
});

test('a component that jco made of TypeScript has the functions of the contract', async () => {
  const root = fileURLToPath(new URL('../guests/asking-ts', import.meta.url));
  const wasm = await compileTypeScript(root, 'provider.ts', { exports: ['invoke'], imports: ['bus'] });
  expect(pluginInterface(readWasmInterface(wasm, 'x'))).toEqual({
    exports: ['invoke'],
    imports: ['bus', 'config', 'log'],
    foreign: [],
    mismatches: [],
  });
});

const label = fc.stringMatching(/^[a-z]{1,4}x$/);
const labels = fc.uniqueArray(label, { minLength: 1, maxLength: 4 });

/** Types as WIT can name them. */
const valueType: fc.Arbitrary<ValueType> = fc.letrec<{ type: ValueType }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc
      .constantFrom(
        ...(['bool', 's8', 'u8', 's16', 'u16', 's32', 'u32', 's64', 'u64', 'f32', 'f64'] as const),
        ...(['char', 'string'] as const),
      )
      .map((name): ValueType => ({ kind: 'primitive', name })),
    labels.map((names): ValueType => ({ kind: 'flags', names })),
    labels.map((names): ValueType => ({ kind: 'enum', names })),
    tie('type').map((element): ValueType => ({ kind: 'list', element, length: undefined })),
    tie('type').map((value): ValueType => ({ kind: 'option', value })),
    fc
      .array(tie('type'), { minLength: 1, maxLength: 3 })
      .map((elements): ValueType => ({ kind: 'tuple', elements })),
    fc
      .tuple(fc.option(tie('type'), { nil: undefined }), fc.option(tie('type'), { nil: undefined }))
      .map(([ok, error]): ValueType => ({ kind: 'result', ok, error })),
    fc.tuple(labels, fc.array(tie('type'), { minLength: 4, maxLength: 4 })).map(
      ([names, types]): ValueType => ({
        kind: 'record',
        fields: names.map((name, at) => ({ name, type: types[at] as ValueType })),
      }),
    ),
    fc
      .tuple(labels, fc.array(fc.option(tie('type'), { nil: undefined }), { minLength: 4, maxLength: 4 }))
      .map(
        ([names, types]): ValueType => ({
          kind: 'variant',
          cases: names.map((name, at) => ({ name, type: types[at] })),
        }),
      ),
  ),
})).type;

/** WIT wants a name for records and their like: writes definitions, and returns how the type is referred to. */
function define(type: ValueType, definitions: string[]): string {
  const inner = (part: ValueType): string => define(part, definitions);
  const named = (kind: string, parts: readonly string[]): string => {
    const name = `t${definitions.length}`;
    definitions.push(`${kind} ${name} { ${parts.join(', ')} }`);
    return name;
  };
  switch (type.kind) {
    case 'record':
      return named(
        'record',
        type.fields.map(({ name, type: of }) => `%${name}: ${inner(of)}`),
      );
    case 'variant':
      return named(
        'variant',
        type.cases.map(({ name, type: of }) => (of === undefined ? `%${name}` : `%${name}(${inner(of)})`)),
      );
    case 'flags':
    case 'enum':
      return named(
        type.kind,
        type.names.map((name) => `%${name}`),
      );
    case 'list':
      return `list<${inner(type.element)}>`;
    case 'option':
      return `option<${inner(type.value)}>`;
    case 'tuple':
      return `tuple<${type.elements.map(inner).join(', ')}>`;
    case 'result': {
      const ok = type.ok === undefined ? '_' : inner(type.ok);
      if (type.error !== undefined) return `result<${ok}, ${inner(type.error)}>`;
      return type.ok === undefined ? 'result' : `result<${ok}>`;
    }
    default:
      return typeText(type);
  }
}

test('whatever types an interface has, what is read of them is what was written', async () => {
  await fc.assert(
    fc.asyncProperty(valueType, valueType, fc.boolean(), async (parameter, result, isExport) => {
      const definitions: string[] = [];
      const fn = `run: func(in: ${define(parameter, definitions)}) -> ${define(result, definitions)};`;
      const wit = `package a:b; interface i { ${definitions.join('\n')} ${fn} }
        world w { ${isExport ? 'export' : 'import'} i; }`;
      const { imports, exports } = readWasmInterface(await componentOf(wit, 'w'), 'x');
      const extern = [...imports, ...exports].at(-1)?.extern;
      const read = extern?.kind === 'interface' ? extern.exports.get('run') : undefined;
      if (read?.kind !== 'function') throw new Error('A function was expected.');
      const [{ type } = { type: undefined }] = read.type.parameters;
      expect(type).toEqual(parameter);
      expect(read.type.result).toEqual(result);
      expect(
        sameFunction(read.type, { ...read.type, parameters: [{ name: 'other', type: parameter }] }),
      ).toBe(true);
      // Two types are the same exactly if they are written in the same way.
      expect(sameType(parameter, result)).toBe(typeText(parameter) === typeText(result));
    }),
    { numRuns: 150 },
  );
});

describe('a component that keeps the names of the contract, but not its types', () => {
  const mismatchesOf = async (world: string, replace: readonly [string, string]) => {
    const wasm = await componentOf(`${sdkWit.replace(...replace)} world w { ${world} }`, 'w');
    return pluginInterface(readWasmInterface(wasm, 'x')).mismatches;
  };
  const PROBLEM = 'record { code: string, message: string, retryable: bool }';

  test('is told of an export what was expected and what came', async () => {
    const wrong = ['ingest: func(request: string)', 'ingest: func(request: list<string>)'] as const;
    expect(await mismatchesOf('export ingest;', wrong)).toEqual([
      {
        part: 'the export "ingest"',
        expected: `func(request: string) -> result<string, ${PROBLEM}>`,
        actual: `func(request: list<string>) -> result<string, ${PROBLEM}>`,
      },
    ]);
  });

  test('is told of an import', async () => {
    const wrong = ['send: func(request: string)', 'send: func(request: string, options: u32)'] as const;
    expect(await mismatchesOf('import http;', wrong)).toEqual([
      {
        part: 'the import "http.send"',
        expected: `func(request: string) -> result<string, ${PROBLEM}>`,
        actual: `func(request: string, options: u32) -> result<string, ${PROBLEM}>`,
      },
    ]);
  });

  test('is told of a record that lies in a shared interface', async () => {
    const found = await mismatchesOf('export tick;', ['retryable: bool', 'retryable: u8']);
    expect(found.map(({ actual }) => actual)).toEqual([
      'func(tick: string) -> result<string, record { code: string, message: string, retryable: u8 }>',
    ]);
  });

  test('is told that an interface lacks its function', async () => {
    const [found] = await mismatchesOf('export handle;', ['handle: func(', 'cope: func(']);
    expect(found?.actual).toBe('an interface without that function');
  });

  test('is refused for a function of a known interface that no host has', async () => {
    const wit = sdkWit.replace('interface bus {', 'interface bus { steal: func();');
    const { foreign } = pluginInterface(
      readWasmInterface(await componentOf(`${wit} world w { import bus; }`, 'w'), 'x'),
    );
    expect(foreign).toEqual(['gtpack:plugin/bus@0.1.0 steal']);
  });
});

/** The message that bytes after the header of a component are refused with. */
function refusal(...sections: readonly (readonly number[])[]): string {
  try {
    readWasmInterface(Buffer.from([...HEADER, ...sections.flat()]), 'x');
  } catch (error) {
    if (error instanceof GtpackError && error.code === 'plugin_invalid') return error.message;
    throw error;
  }
  throw new Error('It was read.');
}

describe('a component that would cost much to read', () => {
  test('because a type is made of itself twice, forty times over, is refused', () => {
    const doubled = Array.from({ length: 40 }, (_, index) => [
      0x6f,
      2,
      ...(index === 0 ? [0x73, 0x73] : [...leb(index - 1), ...leb(index - 1)]),
    ]);
    expect(refusal(section(7, vector(doubled)))).toMatch(/more than 2000 parts, written out/);
  });

  test('because types nest, is refused', () => {
    const nested = Array.from({ length: 40 }, (_, index) => [
      0x70,
      ...(index === 0 ? [0x73] : leb(index - 1)),
    ]);
    expect(refusal(section(7, vector(nested)))).toMatch(/nests more than 32 deep/);
  });

  test('because a function has ten thousand parameters, is refused', () => {
    const parameters = Array.from({ length: 10_000 }, () => [...text('p'), 0x73]);
    expect(refusal(section(7, vector([[0x40, ...vector(parameters), 1, 0]])))).toMatch(
      /more than 2000 parts/,
    );
  });

  test('because it lists a hundred thousand types and more, is refused', () => {
    const many = section(7, vector(Array.from({ length: 10_000 }, () => [0x73])));
    expect(refusal(...Array.from({ length: 11 }, () => many))).toMatch(/more than 100000 items/);
  });

  test('because instance types nest, is refused', () => {
    let type: number[] = [0x42, 0];
    for (let depth = 0; depth < 2000; depth += 1) type = [0x42, 1, 1, ...type];
    expect(refusal(section(7, [1, ...type]))).toMatch(/nest more than 16 deep/);
  });

  test('because components instantiate each other in a long row, or each itself, is refused', () => {
    const instantiate = section(5, vector([[0, 0, 0]]));
    const first = section(4, HEADER);
    // Each takes the one before it from outside, and makes an instance of it.
    const next = (index: number): number[] =>
      section(4, [...HEADER, ...section(6, vector([[4, 2, 1, ...leb(index)]])), ...instantiate]);
    const row = Array.from({ length: 300 }, (_, index) => next(index));
    const last = section(5, vector([[0, ...leb(300), 0]]));
    expect(refusal(first, ...row, last)).toMatch(/nest more than 16 deep/);
    expect(refusal(next(0), instantiate)).toMatch(/nest more than 16 deep|cannot be read/);
  });
});

test.each([
  ['an alias of what is not there', section(6, vector([[3, 2, 0, 5]]))],
  ['an alias too far out', section(6, vector([[3, 2, 9, 0]]))],
  ['an export of a function that is not there', section(11, vector([[0, ...text('f'), 1, 0, 0]]))],
  ['the same name twice', section(10, vector([0, 1].map(() => [0, ...text('f'), 3, 1])))],
  ['a name that moves the cursor', section(10, vector([[0, ...text('\u001b[2J'), 3, 1]]))],
  ['a label that moves the cursor', section(7, vector([[0x6d, 1, ...text('\u001b[2J')]]))],
  ['an instance of a type of values', [...section(7, [1, 0x73]), ...section(10, [1, 0, ...text('i'), 5, 0])]],
  ['a built-in function of another version', section(8, vector([[0x20]]))],
])('a component with %s is refused', (_title, bytes) => {
  expect(refusal(bytes)).toMatch(/cannot be read/);
});

test('however a component is cut or garbled, reading it gives types or a coded error', async () => {
  const sound = await componentOf(sdkWit, 'everything');
  const read = (bytes: Uint8Array): void => {
    try {
      pluginInterface(readWasmInterface(bytes, 'x'));
    } catch (error) {
      expect(error).toBeInstanceOf(GtpackError);
    }
  };
  // The types lie in the first 3,000 bytes; each cut of them, and each byte of them changed.
  for (let length = 8; length < Math.min(sound.length, 3000); length += 1) {
    read(sound.subarray(0, length));
    const garbled = Uint8Array.from(sound);
    garbled[length] = (garbled[length] ?? 0) ^ (1 << (length % 8));
    read(garbled);
  }
  fc.assert(
    fc.property(fc.nat(sound.length - 1), fc.uint8Array({ minLength: 1, maxLength: 12 }), (at, bytes) => {
      const garbled = Uint8Array.from(sound);
      garbled.set(bytes.subarray(0, sound.length - at), at);
      read(garbled);
    }),
    { numRuns: 3000 },
  );
});
