import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Effect, EffectAnswer } from '../../host/sandbox/protocol.ts';
import { Arena, type Outcome } from './arena.ts';
import { type AskerParts, askingModule, KINDS, restJob, strikeJob } from './asker-text.ts';

/** What a guest can do by asking: both kinds of plugin are suspended while they wait. */

const OK: EffectAnswer = { kind: 'ok', output: 'null' };

/** Effects that reached the broker, and how it answers them. */
const asked: { readonly effect: Effect; readonly signal: AbortSignal }[] = [];
let answer: (effect: Effect) => Promise<EffectAnswer> = async () => OK;

const arena = new Arena({
  onEffect: (_, effect, signal) => {
    asked.push({ effect, signal });
    return answer(effect);
  },
});
beforeAll(() => arena.open());
afterEach(() => {
  asked.length = 0;
  answer = async () => OK;
});

const BUS: Pick<AskerParts, 'capability' | 'fn'> = { capability: 'bus', fn: 'publish' };
const grants = { bus: { publish: ['>'] } };
const exports = ['invoke'] as const;
const DRAFT = '[{"event_type":"a.b","payload":1}]';
const LOOP = '(loop (br 0))';
const TIMED_OUT = { kind: 'thrown', code: 'guest_timeout' };
const TRAPPED = { kind: 'thrown', code: 'guest_trap' };
const MILLION = (body: string): string => `(global.set $left (i32.const 1000000))
  (loop ${body} (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br_if 0 (global.get $left)))`;
const LEFT = '(global $left (mut i32) (i32.const 0))';
const CAUGHT = (body: string): string => `(block $caught (try_table (catch_all $caught) ${body}))`;

/** Answers that the test gives, one effect after the other. */
function hold(): ((answer: EffectAnswer) => void)[] {
  const held: ((answer: EffectAnswer) => void)[] = [];
  answer = () => new Promise((resolve) => held.push(resolve));
  return held;
}

describe.each(KINDS)('%s', (_, asker) => {
  const attack = async (parts: Partial<AskerParts>, input = DRAFT): Promise<Outcome> =>
    arena.attack(
      { wasm: await asker({ ...BUS, ...parts }), exports, grants },
      { job: strikeJob(input), harmless: restJob },
    );

  test.each<[string, string]>([
    ['a million times', MILLION('(call $ask)')],
    ['for ever, whatever it is told', '(loop (call $ask) (br 0))'],
    ['for ever, and catches everything', `(loop $again ${CAUGHT('(call $ask)')} (br $again))`],
  ])('that asks %s reaches the broker 64 times and is ended', async (_title, strike) => {
    expect(await attack({ strike, fields: LEFT })).toMatchObject(TIMED_OUT);
    expect(asked).toHaveLength(64);
  });

  test('that writes a million lines to the log leaves a hundred', async () => {
    arena.logs.length = 0;
    const outcome = await attack({ logs: true, strike: MILLION('(call $line)'), fields: LEFT }, 'x');
    // Whether a million calls fit into a slice is the machine's to say.
    expect(outcome).toMatchObject({ kind: expect.stringMatching(/^(?:output|thrown)$/) });
    expect(arena.logs.length).toBeLessThanOrEqual(100);
  });

  test('that fills the log in call after call leaves its hundred lines of each, and the machine has the memory back', async () => {
    arena.logs.length = 0;
    const before = await arena.residentBytes();
    const strike = '(loop (call $line) (br_if 0 (i32.lt_u (call $count) (i32.const 1000))))';
    const fields = `${LEFT} (func $count (result i32)
      (global.set $left (i32.add (global.get $left) (i32.const 1)))
      (i32.rem_u (global.get $left) (i32.const 1001)))`;
    const wasm = await asker({ ...BUS, logs: true, strike, fields });
    const tenant = arena.admit(await arena.code({ wasm, exports, grants, limits: { cpuSliceMs: 2000 } }));
    const job = strikeJob('x'.repeat(20_000));
    const calls = Array.from({ length: 99 }, () => arena.call(tenant, job));
    await arena.attackAs(tenant, { job, harmless: restJob });
    for (const outcome of await Promise.all(calls)) expect(outcome).toMatchObject({ kind: 'output' });
    expect(arena.logs).toHaveLength(100 * 100);
    expect(Math.max(...arena.logs.map(({ message }) => Buffer.byteLength(message)))).toBe(8192);
    arena.logs.length = 0;
    await arena.memoryReturns(before);
  });

  test('that passes more than four million characters is refused, and nothing is parsed or sent', async () => {
    const memory = '500';
    const outcome = await attack({ memory }, `["${'x'.repeat(4 * 1024 * 1024)}"]`);
    expect(outcome).toMatchObject({ kind: 'problem', problem: { code: 'guest_output_invalid' } });
    expect(asked).toEqual([]);
  });

  test('that passes more than four million characters for ever is ended', async () => {
    const input = `["${'x'.repeat(4 * 1024 * 1024)}"]`;
    expect(await attack({ memory: '500', strike: '(loop (call $ask) (br 0))' }, input)).toMatchObject(
      TIMED_OUT,
    );
    expect(asked).toEqual([]);
  });

  test.each<[string, Partial<AskerParts>]>([
    ['after it was answered', { strike: `(call $ask) ${LOOP}` }],
    ['after its second answer', { strike: `(call $ask) (call $ask) ${LOOP}` }],
    [
      'after it was answered, and catches everything',
      { strike: `(call $ask) (loop $again ${CAUGHT(LOOP)} (br $again))` },
    ],
    [
      'in its allocator, which the host calls for the answer',
      {
        fields: '(global $asked (mut i32) (i32.const 0))',
        strike: '(global.set $asked (i32.const 1)) (call $ask)',
        allocate: `(if (global.get $asked) (then ${LOOP}))`,
      },
    ],
    ['before it asks', { strike: LOOP }],
  ])('that loops %s is ended', async (_title, parts) => {
    expect(await attack(parts)).toMatchObject(TIMED_OUT);
  });

  test('that traps after it was answered has trapped, and the next call gets another instance', async () => {
    expect(await attack({ strike: '(call $ask) unreachable' })).toMatchObject(TRAPPED);
  });

  test('that asks out of its allocator, where it cannot be suspended, has trapped', async () => {
    const outcome = await attack({
      fields: '(global $asked (mut i32) (i32.const 0))',
      strike: '(global.set $asked (i32.const 1)) (call $ask)',
      allocate: '(if (global.get $asked) (then (call $ask)))',
    });
    expect(outcome).toMatchObject(TRAPPED);
  });

  test('that asks while it starts is refused', async () => {
    const wasm = await asker({ ...BUS, fields: '(func $start (call $ask)) (start $start)' });
    const outcome = await arena.attack({ wasm, exports, grants }, { job: restJob, harmless: null });
    expect(outcome).toMatchObject({ kind: 'thrown', code: 'plugin_invalid' });
    expect(asked).toEqual([]);
  });

  test('is never entered while it is suspended', async () => {
    const held = hold();
    const wasm = await asker({
      ...BUS,
      // Traps if a call comes in before the last one went out.
      fields: '(global $inside (mut i32) (i32.const 0))',
      strike: `(if (global.get $inside) (then unreachable)) (global.set $inside (i32.const 1))
        (call $ask) (global.set $inside (i32.const 0))`,
    });
    const tenant = arena.admit(await arena.code({ wasm, exports, grants }));
    const calls = Array.from({ length: 40 }, () => arena.call(tenant, strikeJob(DRAFT)));
    await expect.poll(() => held.length).toBe(40);
    // The last asked is the first to go on.
    for (const [n, give] of [...held.entries()].reverse()) give({ kind: 'ok', output: `${n}` });
    const numbers = (await Promise.all(calls)).map((result) =>
      result.kind === 'output' ? Number(result.output) : result,
    );
    expect(numbers.toSorted()).toEqual(Array.from({ length: 40 }, (_item, n) => n).toSorted());
  });

  test('of which two hundred calls wait for what never comes holds its share of memory, and all are told', async () => {
    const before = await arena.residentBytes();
    const held = hold();
    const wasm = await asker(BUS);
    const pages = 40 * 65_536;
    const limits = { effectCallWallMs: 100, maxTenantMemoryBytes: 8 * pages };
    const tenant = arena.admit(await arena.code({ wasm, exports, grants, limits }));
    const calls = Array.from({ length: 200 }, () => arena.call(tenant, strikeJob(DRAFT)));
    const outcome = await arena.attackAs(tenant, { job: strikeJob(DRAFT), harmless: restJob });
    const told = { kind: 'problem', problem: { code: 'guest_timeout' } };
    expect(outcome).toMatchObject(told);
    for (const result of await Promise.all(calls)) expect(result).toMatchObject(told);
    // All at once were never more than fit; the rest had its turn after them.
    expect(held).toHaveLength(201);
    await arena.memoryReturns(before);
  });

  test('that waits is not evicted, and its answer finds it', async () => {
    const held = hold();
    const wasm = await asker(BUS);
    // On a busy machine the others take longer than a call may wait.
    const limits = { effectCallWallMs: 600_000 };
    const code = await arena.code({ wasm, exports, grants, limits });
    const tenant = arena.admit(code);
    const call = arena.call(tenant, strikeJob(DRAFT));
    await expect.poll(() => held.length).toBe(1);
    // As many cells as may live, one after the other.
    for (let others = 0; others < 6; others += 1) {
      const other = await arena.attackAs(arena.admit(code), { job: restJob, harmless: restJob });
      expect(other).toMatchObject({ kind: 'output' });
    }
    expect(asked[0]?.signal.aborted).toBe(false);
    held[0]?.({ kind: 'ok', output: '"found"' });
    expect(await call).toEqual({ kind: 'output', output: '"found"' });
  });

  test('that waits while its cell is ended for another call is told so, and its late answer reaches nobody', async () => {
    const held = hold();
    const wasm = await asker({ ...BUS, strike: `(call $ask) ${LOOP}` });
    const tenant = arena.admit(await arena.code({ wasm, exports, grants }));
    const innocent = arena.call(tenant, strikeJob(DRAFT));
    const guilty = arena.call(tenant, strikeJob(DRAFT));
    await expect.poll(() => held.length).toBe(2);
    const [late, now] = held;
    now?.(OK);
    expect(await guilty).toMatchObject(TIMED_OUT);
    expect(await innocent).toMatchObject({ kind: 'thrown', code: 'cell_ended' });
    expect(asked[0]?.signal.aborted).toBe(true);
    // The successor's first effect has the same number as the one that is answered late.
    const next = arena.call(tenant, strikeJob(DRAFT));
    await expect.poll(() => held.length).toBe(3);
    late?.({ kind: 'problem', problem: { code: 'late', message: 'Late.', retryable: false } });
    // It came in before this call, which is answered after it.
    expect(await arena.call(tenant, restJob)).toMatchObject({ kind: 'output' });
    expect(asked[2]?.signal.aborted).toBe(false);
    held[2]?.(OK);
    expect(await next).toMatchObject(TIMED_OUT);
  });
});

describe('a module that may wait and asks for nothing', () => {
  const SPINS = '(global $spins (mut i32) (i32.const 0))';
  const loop = `(if (global.get $spins) (then ${LOOP}))`;
  test.each<[string, Partial<AskerParts>]>([
    ['when its texts are released', { strike: '(global.set $spins (i32.const 1))', unpin: loop }],
    [
      'when its garbage is collected',
      { strike: '(global.set $spins (i32.const 1)) (drop (memory.grow (i32.const 1)))', collect: loop },
    ],
  ])('and loops %s is ended', async (_, parts) => {
    const wasm = await askingModule({ ...BUS, fields: SPINS, ...parts });
    const outcome = await arena.attack(
      { wasm, exports, grants },
      { job: strikeJob(DRAFT), harmless: restJob },
    );
    expect(outcome).toMatchObject(TIMED_OUT);
  });
});

test('what was ended leaves no thread behind', () => arena.threadsAreGone());
