import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco-transpile/wasm-tools';

/** Guests as WebAssembly text: what no compiler would make is one line here. */

/** What makes a guest strike: a request longer than any other of these tests. */
export const STRIKE = 'x'.repeat(4000);
const STRIKES_FROM_BYTES = 4000;

/** Bytes as a WAT string. */
export function quoted(bytes: Uint8Array): string {
  return `"${[...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('')}"`;
}

/** Little-endian, as a WAT string. */
export function words(...values: readonly number[]): string {
  return quoted(new Uint8Array(Uint32Array.from(values).buffer));
}

export interface ModuleParts {
  /** Fields that stand before all others: imports. */
  readonly imports?: string;
  readonly fields?: string;
  /** Instructions of an export, run when it is struck. What they leave on the stack is dropped with a trap. */
  readonly strike?: string;
  /** The value of `ingest` when it is struck: a pointer. */
  readonly reply?: string;
  readonly memory?: string;
  /** Instructions that `__new` and `__pin` begin with. */
  readonly allocate?: string;
  readonly pin?: string;
  /** Instructions of every call. */
  readonly always?: string;
  /** What calls that are not struck return. */
  readonly answer?: string;
}

/** Where the answer of a module stands. */
export const ANSWER = 1024;

/** A module of AssemblyScript's ABI, by hand: `ingest`, `tick` and `invoke` do harm when they are struck. */
export async function moduleText(parts: ModuleParts): Promise<Uint8Array> {
  const { imports = '', fields = '', strike = '', reply = `(i32.const ${ANSWER})` } = parts;
  const { memory = '2', allocate = '', pin = '', always = '' } = parts;
  const answer = Buffer.from(parts.answer ?? '{"ok":{}}', 'utf16le');
  const body = (text: number): string => `${always}
    (if (result i32)
      (i32.gt_u (i32.load (i32.sub (local.get ${text}) (i32.const 4))) (i32.const ${STRIKES_FROM_BYTES}))
      (then ${strike} ${reply})
      (else (i32.const ${ANSWER})))`;
  return parse(`(module ${imports}
    (memory $memory (export "memory") ${memory})
    (data (i32.const ${ANSWER - 4}) ${words(answer.length)})
    (data (i32.const ${ANSWER}) ${quoted(answer)})
    (data (i32.const 4092) ${words(8)})
    (data (i32.const 4096) ${quoted(Buffer.from('info', 'utf16le'))})
    (global $heap (mut i32) (i32.const 65536))
    (func (export "__new") (param $size i32) (param i32) (result i32) (local $at i32)
      ${allocate}
      (local.set $at (i32.add (global.get $heap) (i32.const 16)))
      (global.set $heap (i32.and (i32.add (local.get $at) (i32.add (local.get $size) (i32.const 15))) (i32.const -16)))
      (i32.store (i32.sub (local.get $at) (i32.const 4)) (local.get $size))
      (local.get $at))
    (func (export "__pin") (param i32) (result i32) ${pin} (local.get 0))
    (func (export "__unpin") (param i32) (global.set $heap (i32.const 65536)))
    ${fields}
    (func (export "ingest") (param i32) (result i32) ${body(0)})
    (func (export "tick") (param i32) (result i32) ${body(0)})
    (func (export "invoke") (param i32 i32) (result i32) ${body(1)}))`);
}

/** `info` as a string of the guest. */
export const INFO = '(i32.const 4096)';
export const LOG = '(import "gtpack:plugin/log@0.1.0" "write" (func $log (param i32 i32)))';
export const CONFIG = '(import "gtpack:plugin/config@0.1.0" "get" (func $config (result i32)))';

/** A module that counts its calls, in the payload of an event. */
export function counter(): Promise<Uint8Array> {
  const answer = '{"ok":{"events":[{"payload":1000000}]}}';
  const lastDigit = ANSWER + 2 * answer.lastIndexOf('0');
  return moduleText({
    answer,
    fields: `(func $count (param $digit i32)
      (if (i32.eq (i32.load16_u (local.get $digit)) (i32.const 57))
        (then
          (i32.store16 (local.get $digit) (i32.const 48))
          (call $count (i32.sub (local.get $digit) (i32.const 2))))
        (else
          (i32.store16 (local.get $digit) (i32.add (i32.load16_u (local.get $digit)) (i32.const 1))))))`,
    always: `(call $count (i32.const ${lastDigit}))`,
  });
}

/** A module that answers with its configuration, whatever that is, envelope and all. */
export function parrot(): Promise<Uint8Array> {
  return moduleText({ imports: CONFIG, reply: '(call $config)', memory: '400' });
}

export interface ComponentParts {
  /** Lines of the world, such as `import gtpack:plugin/log@0.1.0;`. */
  readonly world?: string;
  /** WIT packages besides the contract's own. */
  readonly packages?: string;
  readonly imports?: string;
  readonly fields?: string;
  readonly strike?: string;
  /** Type of what `ingest` returns. */
  readonly result?: string;
  readonly memory?: string;
  readonly allocate?: string;
  /** The words that the struck `ingest` returns a pointer to: discriminant, pointer, length, and of a problem's message too. */
  readonly returns?: readonly number[];
  readonly text?: string | Uint8Array;
}

/** Where a component's `text` stands. */
export const TEXT = 1024;

/** A component that keeps the contract's types but for `result`; its core module is text. */
export async function componentText(parts: ComponentParts): Promise<Uint8Array> {
  const { world = '', packages = '', imports = '', fields = '', strike = '', memory = '2' } = parts;
  const { result = 'result<string, problem>', allocate = '', text = '{}' } = parts;
  const bytes = Buffer.from(text);
  const { returns = [0, TEXT, bytes.length] } = parts;
  const core = await parse(`(module ${imports}
    (memory (export "memory") ${memory})
    (data (i32.const 16) ${words(...returns)})
    (data (i32.const 64) ${words(0, 512, 2)})
    (data (i32.const 512) "{}")
    (data (i32.const ${TEXT}) ${quoted(bytes)})
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) ${allocate} (i32.const 65536))
    ${fields}
    (func (export "gtpack:plugin/ingest@0.1.0#ingest") (param i32 i32) (result i32)
      (if (result i32) (i32.gt_u (local.get 1) (i32.const ${STRIKES_FROM_BYTES}))
        (then ${strike} (i32.const 16))
        (else (i32.const 64)))))`);
  const witSource = `package test:hostile;
    world guest { ${world} export gtpack:plugin/ingest@0.1.0; }
    package gtpack:plugin@0.1.0 {
      interface types { record problem { code: string, message: string, retryable: bool } }
      interface config { get: func() -> string; }
      interface log { enum level { debug, info, warn, error } write: func(level: level, message: string); }
      interface ingest { use types.{problem}; ingest: func(request: string) -> ${result}; }
    } ${packages}`;
  return componentNew(await componentEmbed({ binary: core, witSource, world: 'guest' }));
}
