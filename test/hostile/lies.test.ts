import { beforeAll, describe, expect, test } from 'vitest';
import { compileGuest, ingestJob } from '../sandbox/cell.ts';
import { Arena } from './arena.ts';
import { ANSWER, componentText, INFO, LOG, type ModuleParts, moduleText, TEXT } from './guest-text.ts';
import { testOnce } from './isolation.ts';

const arena = new Arena();
beforeAll(() => arena.open());

const trapped = (message: RegExp): object => ({
  kind: 'thrown',
  code: 'guest_trap',
  message: expect.stringMatching(message),
});

describe('a pointer of a module is checked before anything is read', () => {
  test.each([
    ['0', '(i32.const 0)', /the pointer 0/],
    ['inside the header of memory', '(i32.const 2)', /the pointer 2/],
    ['not aligned', `(i32.const ${ANSWER + 1})`, /the pointer 1025/],
    ['not aligned to four', `(i32.const ${ANSWER + 2})`, /the pointer 1026/],
    ['past the end', '(i32.const 131076)', /the pointer 131076/],
    ['negative', '(i32.const -4)', /the pointer 4294967292/],
  ])('that is %s', async (_, reply, message) => {
    expect(await arena.attack({ wasm: await moduleText({ reply }) })).toMatchObject(trapped(message));
  });

  test.each([
    ['past the end of memory', 0x7fff_fffe, /past its memory's end/],
    ['that is negative', -2, /past its memory's end/],
    ['that is odd', 7, /a string of 7 bytes/],
  ])('with a length %s', async (_, length, message) => {
    const strike = `(i32.store (i32.const ${ANSWER - 4}) (i32.const ${length}))`;
    expect(await arena.attack({ wasm: await moduleText({ strike }) })).toMatchObject(trapped(message));
  });

  test('with a length of 60 MB that is all there', async () => {
    const wasm = await moduleText({
      memory: '1000',
      strike: `(i32.store (i32.const ${ANSWER - 4}) (i32.const 60000000))`,
    });
    expect(await arena.attack({ wasm })).toMatchObject(trapped(/at most \d+ are read/));
  });
});

describe('the runtime of a module may lie', () => {
  const large = (then: string): string => `(if (i32.gt_u (local.get 0) (i32.const 4000)) (then ${then}))`;
  test.each<[string, ModuleParts, RegExp]>([
    ['allocates nothing', { allocate: large('(return (i32.const 0))') }, /allocator returned 0/],
    ['allocates at an odd address', { allocate: large('(return (i32.const 70001))') }, /allocator returned/],
    ['allocates past the end', { allocate: large('(return (i32.const 131000))') }, /allocator returned/],
    ['allocates at -2', { allocate: large('(return (i32.const -2))') }, /allocator returned 4294967294/],
    ['traps while it allocates', { allocate: large('unreachable') }, /unreachable/],
    [
      'traps while it pins',
      { pin: '(if (i32.gt_u (global.get $heap) (i32.const 69000)) (then unreachable))' },
      /./,
    ],
  ])('and %s', async (_, parts, message) => {
    expect(await arena.attack({ wasm: await moduleText(parts) })).toMatchObject(trapped(message));
  });

  test('and hand a host function what is no string', async () => {
    const wasm = await moduleText({ imports: LOG, strike: `(call $log ${INFO} (i32.const 131076))` });
    expect(await arena.attack({ wasm })).toMatchObject(trapped(/the pointer 131076/));
  });

  test('and not be there at all', async () => {
    const { parse } = await import('@bytecodealliance/jco-transpile/wasm-tools');
    const wasm = await parse('(module (func (export "ingest") (param i32) (result i32) (i32.const 0)))');
    expect(await arena.attack({ wasm }, { harmless: null })).toMatchObject({ code: 'plugin_invalid' });
  });

  test('and be of other types than functions and a memory', async () => {
    const { parse } = await import('@bytecodealliance/jco-transpile/wasm-tools');
    const wasm = await parse(`(module
      (memory (export "memory") 1)
      (global (export "__new") i32 (i32.const 0)) (global (export "__pin") i32 (i32.const 0))
      (global (export "__unpin") i32 (i32.const 0))
      (func (export "ingest") (param i32) (result i32) (i32.const 0)))`);
    expect(await arena.attack({ wasm }, { harmless: null })).toMatchObject({ code: 'plugin_invalid' });
  });
});

describe('what a component hands over is checked at its boundary', () => {
  test.each([
    ['a pointer past the end', [0, 0x7fff_ffff, 2], /./],
    ['a length past the end', [0, TEXT, 0x7fff_ffff], /./],
    ['a negative length', [0, TEXT, 0xffff_ffff], /./],
    ['a result that is neither ok nor error', [7, TEXT, 2], /discriminant/],
    ['a problem whose code lies outside', [1, 0x7fff_ffff, 2, TEXT, 2], /./],
  ])('%s', async (_, returns, message) => {
    expect(await arena.attack({ wasm: await componentText({ returns }) })).toMatchObject(trapped(message));
  });

  test.each([
    ['text that is not UTF-8', { text: Uint8Array.of(0xff, 0xfe) }],
    ['a text of 60 MB', { memory: '1000', returns: [0, 65536, 60_000_000] }],
    [
      'a problem with 60 MB of code and message',
      { memory: '1000', returns: [1, 65536, 60_000_000, 65536, 60_000_000] },
    ],
    ['a problem whose code is no code', { returns: [1, TEXT, 3, TEXT, 3], text: 'A B' }],
  ])('%s', async (_, parts) => {
    const limits = { cpuSliceMs: 2000 };
    expect(await arena.attack({ wasm: await componentText(parts), limits })).toMatchObject({
      kind: 'thrown',
      code: 'guest_output_invalid',
    });
  });

  test('an allocation that lies outside', async () => {
    const allocate = '(if (i32.gt_u (local.get 3) (i32.const 4000)) (then (return (i32.const 0x7ffffff0))))';
    expect(await arena.attack({ wasm: await componentText({ allocate }) })).toMatchObject(trapped(/./));
  });

  test('a level of the log that does not exist', async () => {
    const wasm = await componentText({
      world: 'import gtpack:plugin/log@0.1.0;',
      imports: '(import "gtpack:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))',
      strike: '(call $log (i32.const 77) (i32.const 512) (i32.const 2))',
    });
    expect(await arena.attack({ wasm })).toMatchObject(trapped(/./));
  });
});

describe('a component of another contract', () => {
  testOnce.each(['list<string>', 'string', 'result<list<string>, problem>', 'result<string, string>'])(
    'that returns %s is refused before anything of it is compiled, with what was expected',
    async (result) => {
      await expect(arena.code({ wasm: await componentText({ result }) })).rejects.toMatchObject({
        code: 'guest_type_mismatch',
        message: expect.stringMatching(
          /the export "ingest" as func\(request: string\) -> .*; expected func\(request: string\) -> result<string, record \{ code: string/,
        ),
      });
    },
  );
});

test('an abort forges no line: its message stays one message', async () => {
  const wasm = await compileGuest('overflowing');
  arena.logs.length = 0;
  const outcome = await arena.attack({ wasm }, { job: ingestJob('FORGE') });
  expect(outcome).toMatchObject(trapped(/^The plugin aborted: boom\n/));
  expect(arena.logs).toEqual([]);
});

test('what was ended leaves no thread behind', () => arena.threadsAreGone());
