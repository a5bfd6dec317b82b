import { beforeAll, describe, expect, test } from 'vitest';
import { compileGuest, ingestJob } from '../sandbox/cell.ts';
import { Arena } from './arena.ts';
import { componentText, moduleText, STRIKE } from './guest-text.ts';
import { describeOnce } from './isolation.ts';

const arena = new Arena();
beforeAll(() => arena.open());

const MiB = 1024 * 1024;
const TRAPPED = { kind: 'thrown', code: 'guest_trap' };
const TOO_LARGE = { code: 'guest_memory_too_large' };
/** Traps unless the value on the stack is what growing in vain gives. */
const IN_VAIN = '(i32.const -1) (i32.ne) (if (then unreachable))';

describe('a guest grows its memory to its bound and no further', () => {
  test('at once', async () => {
    const strike = `(memory.grow (i32.const 1023)) ${IN_VAIN}`;
    expect(await arena.attack({ wasm: await moduleText({ strike }) })).toMatchObject({ kind: 'events' });
  });

  test('in small steps', async () => {
    const strike = `
      (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (if (i32.ne (memory.size) (i32.const 1024)) (then unreachable))`;
    expect(await arena.attack({ wasm: await moduleText({ strike }) })).toMatchObject({ kind: 'events' });
  });

  test('by way of tables', async () => {
    const wasm = await moduleText({
      fields: '(table $table 1 funcref)',
      strike: `
        (drop (table.grow $table (ref.null func) (i32.const 99999)))
        (table.grow $table (ref.null func) (i32.const 1)) ${IN_VAIN}
        (if (i32.ne (table.size $table) (i32.const 100000)) (then unreachable))`,
    });
    expect(await arena.attack({ wasm })).toMatchObject({ kind: 'events' });
  });

  test('in a component', async () => {
    const strike = `(memory.grow (i32.const 1023)) ${IN_VAIN}`;
    expect(await arena.attack({ wasm: await componentText({ strike }) })).toMatchObject({ kind: 'events' });
  });

  test('in AssemblyScript, whose runtime then aborts', async () => {
    const wasm = await compileGuest('overflowing');
    const limits = { cpuSliceMs: 1000 };
    expect(await arena.attack({ wasm, limits }, { job: ingestJob('EVERYTHING') })).toMatchObject(TRAPPED);
  });

  test.each([
    ['whether it answers', ''],
    ['or traps', 'unreachable'],
  ])('time and again, and the machine has it back, %s', async (_, end) => {
    const wasm = await moduleText({
      strike: `
        (drop (memory.grow (i32.const 1000)))
        (memory.fill (i32.const 131072) (i32.const 1) (i32.const 65536000)) ${end}`,
    });
    const tenant = arena.admit(await arena.code({ wasm, limits: { cpuSliceMs: 1000 } }));
    await arena.call(tenant, ingestJob('{}'));
    const before = await arena.residentBytes();
    for (let calls = 0; calls < 16; calls += 1) await arena.call(tenant, ingestJob(STRIKE));
    // Sixteen calls touched 1,000 MiB; the tenant's total is 256, and what else runs here is small.
    expect((await arena.residentBytes()) - before).toBeLessThan(500 * MiB);
  });
});

describeOnce('a module whose memory cannot be bounded is refused before it is compiled', () => {
  test.each([
    ['a minimum of 4 GiB', '(memory (export "m") 65536)', TOO_LARGE],
    ['a table of 10 million elements', '(table 10000000 funcref)', TOO_LARGE],
    ['ninety memories', '(memory 1)'.repeat(90), {}],
    ['memories that it keeps to itself', '(memory 1)', { message: expect.stringMatching(/does not export/) }],
    ['a shared memory', '(memory (export "m") 1 1 shared)', { message: expect.stringMatching(/shared/) }],
    ['a memory of 64 bits', '(memory (export "m") i64 1)', { message: expect.stringMatching(/64-bit/) }],
    ['structs of the garbage collector', '(type (struct (field i32)))', {}],
    ['arrays of the garbage collector', '(type (array (mut i64)))', {}],
    ['references to them', '(type (func (param anyref)))', {}],
    ['continuations', '(type $f (func)) (type (cont $f))', {}],
  ])('for %s', async (_, fields, expected) => {
    const wasm = await moduleText({ fields });
    await expect(arena.code({ wasm })).rejects.toMatchObject({ code: 'plugin_invalid', ...expected });
  });

  test('also inside a component', async () => {
    const wasm = await componentText({ memory: '65536' });
    await expect(arena.code({ wasm })).rejects.toMatchObject(TOO_LARGE);
  });
});

test('what a guest throws is garbage once it is caught', async () => {
  const values = '(i64.const 81985529216486895)'.repeat(1000);
  const wasm = await moduleText({
    fields: `(tag $large (param ${'i64 '.repeat(1000)}))
      (func $hoard
        (block $caught (result exnref) (try_table (catch_all_ref $caught) ${values} (throw $large)) unreachable)
        (call $hoard)
        (drop))`,
    strike: '(call $hoard)',
  });
  const outcome = await arena.attack({ wasm });
  // Its own stack ends it, its slice, or its heap; the neighbours never learn of it.
  expect(outcome).toMatchObject({ kind: 'thrown', code: expect.stringMatching(/^guest_(?:trap|timeout)$/) });
});

test('what was ended leaves no thread behind', () => arena.threadsAreGone());
