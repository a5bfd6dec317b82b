import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import type { WaitingImport } from '../../host/contract.ts';
import type { Job } from '../../host/sandbox/protocol.ts';
import { quoted, words } from './guest-text.ts';

/**
 * Guests that ask the host, of both kinds, from one description. Their `invoke` passes its input on to one function of the
 * host and returns the answer as it is; a function of two texts gets the operation's name first.
 */
export interface AskerParts {
  readonly capability: WaitingImport;
  readonly fn: string;
  /**
   * Instructions of a call that is struck; `(call $ask)` asks once and keeps the answer, `(call $line)` writes the input to
   * the log. Default: asks once.
   */
  readonly strike?: string;
  readonly fields?: string;
  /** Instructions that the guest's allocator begins with; local 0 is the size. */
  readonly allocate?: string;
  /** Instructions of `__unpin` and `__collect`, which components have not. */
  readonly unpin?: string;
  readonly collect?: string;
  /** Pages of memory. */
  readonly memory?: string;
  readonly logs?: boolean;
}

/** A call that strikes, and one of the same guest that does not. */
export const strikeJob = (input: string, operation = 'strike'): Job => ({
  kind: 'invoke',
  provider: 'guest',
  operation,
  input,
});
export const restJob: Job = strikeJob('null', '');

export const KINDS = [
  ['a module', askingModule],
  ['a component', askingComponent],
] as const;

const HEAP = 65_536;
const ONCE = '(call $ask)';
const takesTwo = ({ capability, fn }: AskerParts): boolean => capability === 'state' && fn === 'set';

/** An asker of AssemblyScript's ABI. */
export async function askingModule(parts: AskerParts): Promise<Uint8Array> {
  const { capability, fn, strike = ONCE, fields = '', allocate = '', unpin = '', collect = '' } = parts;
  const { memory = '40', logs = false } = parts;
  const two = takesTwo(parts);
  const rest = Buffer.from('{"ok":null}', 'utf16le');
  const info = Buffer.from('info', 'utf16le');
  return parse(`(module
    (import "gtpack:plugin/${capability}@0.1.0" "${fn}" (func $host (param ${two ? 'i32 i32' : 'i32'}) (result i32)))
    ${logs ? '(import "gtpack:plugin/log@0.1.0" "write" (func $log (param i32 i32)))' : ''}
    (memory (export "memory") ${memory})
    (data (i32.const 1020) ${words(rest.length)}) (data (i32.const 1024) ${quoted(rest)})
    (data (i32.const 2044) ${words(info.length)}) (data (i32.const 2048) ${quoted(info)})
    (global $heap (mut i32) (i32.const ${HEAP}))
    (global $key (mut i32) (i32.const 0)) (global $input (mut i32) (i32.const 0))
    (global $answer (mut i32) (i32.const 0))
    (func (export "__new") (param $size i32) (param i32) (result i32) (local $at i32)
      ${allocate}
      (local.set $at (i32.add (global.get $heap) (i32.const 16)))
      (global.set $heap (i32.and (i32.add (local.get $at) (i32.add (local.get $size) (i32.const 15))) (i32.const -16)))
      (i32.store (i32.sub (local.get $at) (i32.const 4)) (local.get $size))
      (local.get $at))
    (func (export "__pin") (param i32) (result i32) (local.get 0))
    (func (export "__unpin") (param i32) ${unpin})
    (func (export "__collect") ${collect})
    ${logs ? '(func $line (call $log (i32.const 2048) (global.get $input)))' : ''}
    (func $ask
      (global.set $answer (call $host ${two ? '(global.get $key)' : ''} (global.get $input))))
    ${fields}
    (func (export "invoke") (param i32 i32) (result i32)
      (global.set $key (local.get 0)) (global.set $input (local.get 1))
      (global.set $answer (i32.const 1024))
      (if (i32.load (i32.sub (local.get 0) (i32.const 4))) (then ${strike}))
      (global.set $heap (i32.const ${HEAP}))
      (global.get $answer)))`);
}

const RESULT = 'result<string, problem>';
/** Where a component's last answer stands, and the one of a call that is not struck. */
const ANSWER = 64;
const REST = 128;

/** An asker that is a component. */
export async function askingComponent(parts: AskerParts): Promise<Uint8Array> {
  const { capability, fn, strike = ONCE, fields = '', allocate = '', memory = '40', logs = false } = parts;
  const two = takesTwo(parts);
  const core = await parse(`(module
    (import "gtpack:plugin/${capability}@0.1.0" "${fn}" (func $host (param i32 i32 i32 ${two ? 'i32 i32' : ''})))
    ${logs ? '(import "gtpack:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))' : ''}
    (memory (export "memory") ${memory})
    (data (i32.const ${REST}) ${words(0, 1024, 4)}) (data (i32.const 1024) "null")
    (global $heap (mut i32) (i32.const ${HEAP}))
    (global $key (mut i32) (i32.const 0)) (global $keyLength (mut i32) (i32.const 0))
    (global $input (mut i32) (i32.const 0)) (global $inputLength (mut i32) (i32.const 0))
    (global $answer (mut i32) (i32.const 0))
    (func $allocate (param $size i32) (result i32) (local $at i32)
      ${allocate}
      (local.set $at (global.get $heap))
      (global.set $heap (i32.and (i32.add (local.get $at) (i32.add (local.get $size) (i32.const 15))) (i32.const -16)))
      (local.get $at))
    (func (export "cabi_realloc") (param $old i32) (param $oldSize i32) (param i32) (param $size i32) (result i32) (local $at i32)
      (local.set $at (call $allocate (local.get $size)))
      (memory.copy (local.get $at) (local.get $old) (local.get $oldSize))
      (local.get $at))
    ${logs ? '(func $line (call $log (i32.const 1) (global.get $input) (global.get $inputLength)))' : ''}
    (func $ask
      (call $host ${two ? '(global.get $key) (global.get $keyLength)' : ''}
        (global.get $input) (global.get $inputLength) (i32.const ${ANSWER}))
      (global.set $answer (i32.const ${ANSWER})))
    ${fields}
    (func (export "gtpack:plugin/invoke@0.1.0#invoke") (param i32 i32 i32 i32) (result i32)
      (global.set $key (local.get 0)) (global.set $keyLength (local.get 1))
      (global.set $input (local.get 2)) (global.set $inputLength (local.get 3))
      (global.set $answer (i32.const ${REST}))
      (if (local.get 1) (then ${strike}))
      (global.set $heap (i32.const ${HEAP}))
      (global.get $answer)))`);
  const witSource = `package test:hostile;
    world guest {
      import gtpack:plugin/${capability}@0.1.0;
      ${logs ? 'import gtpack:plugin/log@0.1.0;' : ''}
      export gtpack:plugin/invoke@0.1.0;
    }
    package gtpack:plugin@0.1.0 {
      interface types { record problem { code: string, message: string, retryable: bool } }
      interface log { enum level { debug, info, warn, error } write: func(level: level, message: string); }
      interface ${capability} {
        use types.{problem};
        ${fn}: func(${two ? 'key: string, ' : ''}text: string) -> ${RESULT};
      }
      interface invoke { use types.{problem}; invoke: func(operation: string, input: string) -> ${RESULT}; }
    }`;
  return componentNew(await componentEmbed({ binary: core, witSource, world: 'guest' }));
}
