import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { beforeAll, describe, expect, test } from 'vitest';
import { Arena } from './arena.ts';
import { componentText, moduleText } from './guest-text.ts';
import { describeOnce, testOnce } from './isolation.ts';

const arena = new Arena();
beforeAll(() => arena.open());

/** Kinds of sections of a component. */
const CORE_MODULE = 1;
const CORE_INSTANCES = 2;
const COMPONENT = 4;

function section(kind: number, content: readonly number[]): number[] {
  const { length } = content;
  return [kind, 0x80 | (length & 0x7f), 0x80 | ((length >> 7) & 0x7f), length >> 14, ...content];
}

/** Where the sections of a kind begin, behind their length. */
function sectionsOf(component: Uint8Array, kind: number): number[] {
  const found: number[] = [];
  for (let at = 8; at < component.length; ) {
    const isOne = component[at] === kind;
    let size = 0;
    let shift = 0;
    do {
      at += 1;
      size |= ((component[at] ?? 0) & 0x7f) << shift;
      shift += 7;
    } while ((component[at] ?? 0) > 0x7f);
    at += 1;
    if (isOne) found.push(at);
    at += size;
  }
  return found;
}

/**
 * A component of the contract with core modules besides its own.
 * @param instances of the component model's binary format, given the indexes of the first of these modules and instances
 */
async function withModules(
  modules: readonly Uint8Array[],
  instances: (module: number, instance: number) => readonly (readonly number[])[],
): Promise<Uint8Array> {
  const guest = await componentText({});
  const before = sectionsOf(guest, CORE_MODULE).length;
  const instancesBefore = sectionsOf(guest, CORE_INSTANCES).reduce(
    (total, at) => total + (guest[at] ?? 0),
    0,
  );
  const made = instances(before, instancesBefore);
  return Buffer.concat([
    guest,
    ...modules.map((module) => Uint8Array.from(section(CORE_MODULE, [...module]))),
    Uint8Array.from(section(CORE_INSTANCES, [made.length, ...made.flat()])),
  ]);
}

describe('an import that nobody answers is refused before anything runs, by its name', () => {
  testOnce.each([
    ['env', 'memory', '(memory 1)'],
    ['env', 'seed', '(func (result f64))'],
    ['env', 'console.log', '(func (param i32))'],
    ['wasi_snapshot_preview1', 'fd_write', '(func (param i32 i32 i32 i32) (result i32))'],
    ['wasi_snapshot_preview1', 'environ_get', '(func (param i32 i32) (result i32))'],
    ['node:fs', 'readFileSync', '(func (param i32) (result i32))'],
    ['gtpack:plugin/log@0.2.0', 'write', '(func (param i32 i32))'],
    ['gtpack:plugin/everything@0.1.0', 'send', '(func (param i32) (result i32))'],
    ['__proto__', 'toString', '(func (result i32))'],
  ])('%s %s of a module', async (module, name, type) => {
    const wasm = await moduleText({ imports: `(import "${module}" "${name}" ${type})` });
    await expect(arena.code({ wasm })).rejects.toMatchObject({
      code: 'guest_import_refused',
      message: expect.stringContaining(`${module} ${name}`),
    });
  });

  testOnce.each(['http', 'bus', 'sendgrid', 'twilio', 'timers', 'state', 'secrets'])(
    'the capability %s, which nothing grants',
    async (capability) => {
      const wasm = await moduleText({
        imports: `(import "gtpack:plugin/${capability}@0.1.0" "get" (func (param i32) (result i32)))`,
      });
      await expect(arena.code({ wasm })).rejects.toMatchObject({
        code: 'guest_import_refused',
        message: expect.stringContaining(`"${capability}"`),
      });
    },
  );

  testOnce('each of several', async () => {
    const wasm = await moduleText({
      imports: '(import "a" "b" (func)) (import "c" "d" (func)) (import "e" "f" (func))',
    });
    await expect(arena.code({ wasm })).rejects.toMatchObject({
      problems: ['a b', 'c d', 'e f'].map((name) => ({
        code: 'guest_import_refused',
        message: expect.stringContaining(`"${name}"`),
      })),
    });
  });

  testOnce.each(['test:other/thing@1.0.0', 'wasi:http/outgoing-handler@0.2.0', 'wasi:nn/graph@0.2.0'])(
    '%s of a component',
    async (name) => {
      const [pack, rest = ''] = name.split('/');
      const [local, version] = rest.split('@');
      const wasm = await componentText({
        world: `import ${name};`,
        packages: `package ${pack}@${version} { interface ${local} { go: func(); } }`,
        imports: `(import "${name}" "go" (func))`,
      });
      await expect(arena.code({ wasm })).rejects.toMatchObject({
        code: 'guest_import_refused',
        message: expect.stringContaining(name),
      });
    },
  );

  testOnce('a function of a granted interface that does not exist', async () => {
    const wasm = await moduleText({
      imports: '(import "gtpack:plugin/log@0.1.0" "read" (func $read (param i32) (result i32)))',
    });
    await expect(arena.code({ wasm })).rejects.toMatchObject({
      code: 'guest_import_refused',
      message: expect.stringContaining('gtpack:plugin/log@0.1.0 read'),
    });
  });
});

describeOnce(
  'the glue of a component says what the host wrote, whatever the component calls its parts',
  () => {
    /** Each ends what a name could stand in: a quoted text, an object, a template, a comment. */
    const PAYLOADS = [
      "x'];globalThis.process.exit(7);['",
      'x`+globalThis.process.exit(7)+`',
      'x"+globalThis.process.exit(7)+"',
      'x\\n*/globalThis.process.exit(7);/*',
    ];
    const REFUSED_NAME = {
      code: 'plugin_invalid',
      message: expect.stringMatching(/the name .* holds more than/),
    };
    const escaped = (name: string): string => name.replaceAll('"', '\\"');

    test.each(PAYLOADS)('an exported function called %j', async (payload) => {
      const module = await parse(`(module (func (export "${escaped(payload)}")))`);
      const wasm = await withModules([module], (index) => [[0, index, 0]]);
      await expect(arena.code({ wasm })).rejects.toMatchObject(REFUSED_NAME);
    });

    test.each(PAYLOADS)('an imported module called %j', async (payload) => {
      const name = [...Buffer.from(payload.replace('\\n', '\n'))];
      const importing = await parse(`(module (import "${escaped(payload)}" "go" (func)))`);
      const giving = await parse('(module (func (export "go")))');
      const wasm = await withModules([giving, importing], (index, instance) => [
        [0, index, 0],
        // What it imports is the instance of the other module.
        [0, index + 1, 1, name.length, ...name, 0x12, instance],
      ]);
      await expect(arena.code({ wasm })).rejects.toMatchObject(REFUSED_NAME);
    });
  },
);

describe('WASI answers a component, and opens nothing', () => {
  /** The part of WASI 0.2 that the guests below use, as `wasi:*` has it. */
  const WASI = `
    package wasi:cli@0.2.3 {
      interface environment {
        get-environment: func() -> list<tuple<string, string>>; get-arguments: func() -> list<string>;
      }
      interface exit { exit: func(status: result); }
    }
    package wasi:filesystem@0.2.3 {
      interface types { resource descriptor { sync: func(); } }
      interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
    }
    package wasi:sockets@0.2.3 {
      interface network { enum error-code { unknown, access-denied, not-supported } }
      interface tcp { resource tcp-socket { address-family: func() -> u8; } }
      interface tcp-create-socket {
        use network.{error-code}; use tcp.{tcp-socket};
        enum ip-address-family { ipv4, ipv6 }
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
      }
    }
    package wasi:random@0.2.3 { interface random { get-random-bytes: func(len: u64) -> list<u8>; } }`;

  /** Reads the length of the list that a WASI function stored at 256, and traps unless it is empty. */
  const EMPTY = '(if (i32.load (i32.const 260)) (then unreachable))';

  test.each([
    ['environment variables', 'wasi:cli/environment@0.2.3', 'get-environment'],
    ['arguments', 'wasi:cli/environment@0.2.3', 'get-arguments'],
    ['directories', 'wasi:filesystem/preopens@0.2.3', 'get-directories'],
  ])('it has no %s', async (_, name, fn) => {
    const wasm = await componentText({
      world: `import ${name};`,
      packages: WASI,
      imports: `(import "${name}" "${fn}" (func $list (param i32)))`,
      strike: `(call $list (i32.const 256)) ${EMPTY}`,
    });
    expect(await arena.attack({ wasm })).toMatchObject({ kind: 'events' });
  });

  test('it makes no socket', async () => {
    const wasm = await componentText({
      world: 'import wasi:sockets/tcp-create-socket@0.2.3;',
      packages: WASI,
      imports:
        '(import "wasi:sockets/tcp-create-socket@0.2.3" "create-tcp-socket" (func $create (param i32 i32)))',
      // The error's discriminant is 1, and access-denied the second of these codes.
      strike: `(call $create (i32.const 0) (i32.const 256))
        (if (i32.ne (i32.load8_u (i32.const 256)) (i32.const 1)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const 260)) (i32.const 1)) (then unreachable))`,
    });
    expect(await arena.attack({ wasm })).toMatchObject({ kind: 'events' });
  });

  test('it ends nothing but its own call', async () => {
    const wasm = await componentText({
      world: 'import wasi:cli/exit@0.2.3;',
      packages: WASI,
      imports: '(import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))',
      strike: '(call $exit (i32.const 0))',
    });
    expect(await arena.attack({ wasm })).toMatchObject({ code: 'guest_trap' });
  });

  test('it gets no four gigabytes of random bytes', async () => {
    const wasm = await componentText({
      world: 'import wasi:random/random@0.2.3;',
      packages: WASI,
      imports: '(import "wasi:random/random@0.2.3" "get-random-bytes" (func $random (param i64 i32)))',
      strike: '(call $random (i64.const 4294967295) (i32.const 256))',
    });
    expect(await arena.attack({ wasm })).toMatchObject({ code: 'guest_trap' });
  });
});

describe('a component that the transpiler cannot make sense of is refused', () => {
  const HEADER = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];

  test('two thousand components in each other', async () => {
    let nested = HEADER;
    for (let depth = 0; depth < 2000; depth += 1) nested = [...HEADER, ...section(COMPONENT, nested)];
    const wasm = Buffer.concat([await componentText({}), Uint8Array.from(section(COMPONENT, nested))]);
    // They are never instantiated, and cost the transpiler no more than their bytes.
    expect(await arena.attack({ wasm })).toMatchObject({ kind: 'events' });
  });

  testOnce('noise behind the header of a component', async () => {
    const noise = Uint8Array.from({ length: 4096 }, (_, index) => (index * 2_654_435_761) >>> 24);
    const wasm = Buffer.concat([Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), noise]);
    await expect(arena.code({ wasm })).rejects.toMatchObject({ code: 'plugin_invalid' });
  });

  test('twenty memories in as many core modules', async () => {
    const module = await parse('(module (memory (export "memory") 1))');
    const twenty = Array.from({ length: 20 }, () => module);
    const wasm = await withModules(twenty, (index) => twenty.map((_, at) => [0, index + at, 0]));
    expect(await arena.attack({ wasm }, { harmless: null })).toMatchObject({
      code: 'plugin_invalid',
      message: expect.stringMatching(/more than 4 memories/),
    });
  });
});

test('what was ended leaves no thread behind', () => arena.threadsAreGone());
