import { beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../host/sandbox/protocol.ts';
import { compileGuest, ingestJob } from '../sandbox/cell.ts';
import { Arena } from './arena.ts';
import { componentText, moduleText, STRIKE } from './guest-text.ts';

const arena = new Arena();
beforeAll(async () => {
  await arena.open();
});

const LOOP = '(loop (br 0))';
const TIMED_OUT = { kind: 'thrown', code: 'guest_timeout' };
const TRAPPED = { kind: 'thrown', code: 'guest_trap' };

const invoke: Job = { kind: 'invoke', provider: 'guest', operation: 'any', input: JSON.stringify(STRIKE) };
const tick: Job = {
  kind: 'tick',
  provider: 'guest',
  tick: { id: 'tick-1', schedule: 's', name: STRIKE, scheduledAt: 0, firedAt: 0, lastRun: null, missed: 0 },
};

describe('a guest that takes for ever is ended, and its caller told', () => {
  test.each([
    ['ingest', ingestJob(STRIKE)],
    ['tick', tick],
    ['invoke', invoke],
  ] as const)('in %s', async (name, job) => {
    const wasm = await moduleText({ strike: LOOP });
    expect(await arena.attack({ wasm, exports: ['ingest', name] }, { job })).toMatchObject(TIMED_OUT);
  });

  test('in its allocator, which the host calls for the text that it writes', async () => {
    const wasm = await moduleText({
      allocate: `(if (i32.gt_u (local.get 0) (i32.const 4000)) (then ${LOOP}))`,
    });
    expect(await arena.attack({ wasm })).toMatchObject(TIMED_OUT);
  });

  test('in the collector, which the host calls between calls', async () => {
    const wasm = await moduleText({
      strike: '(drop (memory.grow (i32.const 1))) (global.set $spin (i32.const 1))',
      fields: `(global $spin (mut i32) (i32.const 0))`,
      pin: `(if (global.get $spin) (then ${LOOP}))`,
    });
    const tenant = arena.admit(await arena.code({ wasm }));
    await arena.call(tenant, ingestJob(STRIKE));
    expect(await arena.attackAs(tenant)).toMatchObject(TIMED_OUT);
  });

  test('in a component', async () => {
    expect(await arena.attack({ wasm: await componentText({ strike: LOOP }) })).toMatchObject(TIMED_OUT);
  });

  test('in the reallocation of a component, which its glue calls', async () => {
    const allocate = `(if (i32.gt_u (local.get 3) (i32.const 4000)) (then ${LOOP}))`;
    expect(await arena.attack({ wasm: await componentText({ allocate }) })).toMatchObject(TIMED_OUT);
  });

  test('in a thousand slow instructions, each of which moves all of its memory', async () => {
    const wasm = await moduleText({
      memory: '512',
      strike: `(loop (memory.copy (i32.const 65536) (i32.const 65537) (i32.const 33000000)) (br 0))`,
    });
    expect(await arena.attack({ wasm })).toMatchObject(TIMED_OUT);
  });
});

describe('a guest that never starts is refused, and is no fault of the host', () => {
  test.each([
    ['loops in its start function', LOOP],
    ['traps in its start function', 'unreachable'],
    ['overflows the stack in its start function', '(call $start)'],
  ])('that %s', async (_, body) => {
    const wasm = await moduleText({ fields: `(func $start ${body}) (start $start)` });
    expect(await arena.attack({ wasm }, { harmless: null })).toMatchObject({
      kind: 'thrown',
      code: 'plugin_invalid',
    });
  });

  test('that loops in the initializer of an AssemblyScript global', async () => {
    const outcome = await arena.attack({ wasm: await compileGuest('spinning') }, { harmless: null });
    expect(outcome).toMatchObject({ kind: 'thrown', code: 'plugin_invalid' });
  });

  test('that loops in the start function of a component', async () => {
    const wasm = await componentText({ fields: `(func $start ${LOOP}) (start $start)` });
    expect(await arena.attack({ wasm }, { harmless: null })).toMatchObject({
      kind: 'thrown',
      code: 'plugin_invalid',
    });
  });
});

describe('a guest that catches everything does not catch its end', () => {
  test('around a loop', async () => {
    const strike = `(loop $again (block $caught (try_table (catch_all $caught) ${LOOP})) (br $again))`;
    expect(await arena.attack({ wasm: await moduleText({ strike }) })).toMatchObject(TIMED_OUT);
  });

  test('around a host function that it hands a bad pointer', async () => {
    const wasm = await moduleText({
      imports: '(import "gtpack:plugin/log@0.1.0" "write" (func $log (param i32 i32)))',
      strike: '(block $caught (try_table (catch_all $caught) (call $log (i32.const 3) (i32.const -1))))',
    });
    expect(await arena.attack({ wasm })).toMatchObject(TRAPPED);
  });

  test('around an abort, after which it goes on as if nothing had been', async () => {
    const wasm = await moduleText({
      imports: '(import "env" "abort" (func $abort (param i32 i32 i32 i32)))',
      strike: '(call $abort (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 0))',
    });
    expect(await arena.attack({ wasm })).toMatchObject({
      ...TRAPPED,
      message: expect.stringMatching(/line 7/),
    });
  });

  test('around a recursion, with a host function called at the very end of the stack', async () => {
    const wasm = await moduleText({
      imports: '(import "gtpack:plugin/log@0.1.0" "write" (func $log (param i32 i32)))',
      fields: `(func $deeper
        (block $caught (try_table (catch_all $caught) (call $deeper)))
        (block $caught (try_table (catch_all $caught) (call $log (i32.const 4096) (i32.const 4096)))))`,
      strike: '(call $deeper)',
    });
    expect(await arena.attack({ wasm })).toMatchObject(TRAPPED);
  });
});

describe('a guest that overflows the stack has trapped', () => {
  test('a module', async () => {
    const wasm = await moduleText({ fields: '(func $deeper (call $deeper))', strike: '(call $deeper)' });
    expect(await arena.attack({ wasm })).toMatchObject(TRAPPED);
  });

  test('a component', async () => {
    const wasm = await componentText({ fields: '(func $deeper (call $deeper))', strike: '(call $deeper)' });
    expect(await arena.attack({ wasm })).toMatchObject(TRAPPED);
  });

  test('an AssemblyScript function', async () => {
    const wasm = await compileGuest('overflowing');
    expect(await arena.attack({ wasm }, { job: ingestJob('RECURSE') })).toMatchObject(TRAPPED);
  });
});

describe('a trap in an export ends the call and the instance, and nothing else', () => {
  test.each([
    ['ingest', ingestJob(STRIKE)],
    ['tick', tick],
    ['invoke', invoke],
  ] as const)('%s', async (name, job) => {
    const wasm = await moduleText({ strike: 'unreachable' });
    expect(await arena.attack({ wasm, exports: ['ingest', name] }, { job })).toMatchObject(TRAPPED);
  });

  test('of a component', async () => {
    expect(await arena.attack({ wasm: await componentText({ strike: 'unreachable' }) })).toMatchObject(
      TRAPPED,
    );
  });
});

test('what was ended leaves no thread behind', () => arena.threadsAreGone());
