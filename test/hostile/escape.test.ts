import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { beforeAll, describe, expect, test } from 'vitest';
import { Arena } from './arena.ts';
import { componentText, moduleText } from './guest-text.ts';

const arena = new Arena();
beforeAll(() => arena.open());

/** Fields of a core module that returns an empty outcome, and how a component offers it as `ingest`. */
const RUNNER = `(memory (export "memory") 1)
  (data (i32.const 16) "\\00\\04\\00\\00\\02\\00\\00\\00") (data (i32.const 1024) "{}")
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2048))
  (func (export "run") (param i32 i32) (result i32) (i32.const 16))`;
const LIFTED = `(func $f (param "request" string) (result string) (canon lift (core func $i "run")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (instance (export "gtpack:plugin/ingest@0.1.0") (export "ingest" (func $f)))`;

function plainComponent(before = ''): Promise<Uint8Array> {
  return parse(
    `(component ${before} (core module $m ${RUNNER}) (core instance $i (instantiate $m)) ${LIFTED})`,
  );
}

describe('an import that nobody answers is refused before anything runs, by its name', () => {
  test.each([
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

  test.each(['http', 'bus', 'sendgrid', 'twilio', 'timers', 'state', 'secrets'])(
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

  test('each of several', async () => {
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

  test.each(['test:other/thing@1.0.0', 'wasi:http/outgoing-handler@0.2.0', 'wasi:nn/graph@0.2.0'])(
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

  test('a function of a granted interface that does not exist', async () => {
    const wasm = await moduleText({
      imports: '(import "gtpack:plugin/log@0.1.0" "read" (func $read (param i32) (result i32)))',
    });
    expect(await arena.attack({ wasm }, { harmless: null })).toMatchObject({ code: 'plugin_invalid' });
  });
});

describe('the glue of a component says what the host wrote, whatever the component calls its parts', () => {
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
    const name = escaped(payload);
    const wasm = await parse(`(component
      (core module $m ${RUNNER} (func (export "${name}") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
      (core instance $i (instantiate $m))
      ${LIFTED.replace('"realloc"', `"${name}"`)})`);
    await expect(arena.code({ wasm })).rejects.toMatchObject(REFUSED_NAME);
  });

  test('an imported module and function', async () => {
    const name = escaped(PAYLOADS[0] ?? '');
    const wasm = await parse(`(component
      (core module $a (memory (export "memory") 1) (func (export "go")))
      (core instance $a (instantiate $a))
      (core module $m (import "${name}" "${name}" (func)) ${RUNNER})
      (core instance $given (export "${name}" (func $a "go")))
      (core instance $i (instantiate $m (with "${name}" (instance $given))))
      ${LIFTED})`);
    await expect(arena.code({ wasm })).rejects.toMatchObject(REFUSED_NAME);
  });
});

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
  test('two thousand components in each other', async () => {
    const HEADER = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];
    const section = (content: readonly number[]): number[] => {
      const { length } = content;
      return [4, 0x80 | (length & 0x7f), 0x80 | ((length >> 7) & 0x7f), length >> 14, ...content];
    };
    let nested = HEADER;
    for (let depth = 0; depth < 2000; depth += 1) nested = [...HEADER, ...section(nested)];
    const wasm = Buffer.concat([await plainComponent(), Uint8Array.from(section(nested))]);
    // They are never instantiated, and cost the transpiler no more than their bytes.
    expect(await arena.attack({ wasm })).toMatchObject({ kind: 'events' });
  });

  test('noise behind the header of a component', async () => {
    const noise = Uint8Array.from({ length: 4096 }, (_, index) => (index * 2_654_435_761) >>> 24);
    const wasm = Buffer.concat([Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), noise]);
    await expect(arena.code({ wasm })).rejects.toMatchObject({ code: 'plugin_invalid' });
  });

  test('twenty memories in as many core modules', async () => {
    const wasm = await plainComponent(
      Array.from(
        { length: 20 },
        (_, index) =>
          `(core module $m${index} (memory (export "memory") 1)) (core instance (instantiate $m${index}))`,
      ).join(''),
    );
    expect(await arena.attack({ wasm }, { harmless: null })).toMatchObject({
      code: 'plugin_invalid',
      message: expect.stringMatching(/more than 4 memories/),
    });
  });
});

test('what was ended leaves no thread behind', () => arena.threadsAreGone());
