import { beforeAll, describe, expect, test } from 'vitest';
import type { Flow } from '../../host/flow/flow.ts';
import { loadFlow } from '../../host/flow/load.ts';
import type { Job } from '../../host/sandbox/protocol.ts';
import { Arena, type Outcome } from './arena.ts';
import { testOnce } from './isolation.ts';

const arena = new Arena();
beforeAll(() => arena.open());

function flow(name: string, node: object, scripts: Readonly<Record<string, string>> = {}): Promise<Flow> {
  const text = JSON.stringify({
    name,
    version: '1.0',
    nodes: [{ id: 'only', ...node }],
    triggers: [{ type: 'event', event_type: '>', target: 'only' }],
  });
  return loadFlow({ text, file: `${name}.ygtc`, scripts });
}

function runOf(name: string): Job {
  const event = JSON.stringify({
    id: 'event-1',
    event_type: 'test.event',
    source: 'guest',
    timestamp: 1_790_000_000_000,
    payload: { list: Array.from({ length: 1000 }, (_, index) => index), text: 'x'.repeat(1000) },
  });
  const runs = [{ runId: 'f'.repeat(32), flow: name, trigger: 0, position: 1, journal: [] }];
  return { kind: 'run', event, attempt: 1, runs };
}

/** A run of the hostile flow, beside a flow of the same tenant that has to work afterwards. */
async function attack(hostile: Flow): Promise<Outcome> {
  const harmless = await flow('harmless', { type: 'script', config: { script: '1 + 1' } });
  return arena.attack({ flows: [hostile, harmless] }, { job: runOf('hostile'), harmless: runOf('harmless') });
}

function codeOf(outcome: Outcome): string {
  if (outcome.kind === 'thrown') return outcome.code;
  if (outcome.kind !== 'runs') return outcome.kind;
  return outcome.runs[0]?.error?.code ?? 'ok';
}

async function scriptAttack(script: string, scripts?: Readonly<Record<string, string>>): Promise<string> {
  return codeOf(await attack(await flow('hostile', { type: 'script', config: { script } }, scripts)));
}

describe('a script that takes for ever is stopped or its cell ended', () => {
  test.each([
    ['a loop', 'for (;;);'],
    ['a loop that catches everything', 'for (;;) { try { for (;;); } catch {} finally {} }'],
    ['a regular expression', '/^(a+)+$/.test("a".repeat(40) + "b")'],
    ['a regular expression with backreferences', '/(x+)+\\1y/.test("x".repeat(5000))'],
    ['promises that never come to an end', '(async () => { for (;;) await null; })()'],
    [
      'a proxy that answers itself',
      'const p = new Proxy({}, { get: (t, k, r) => r[k] }); for (;;) { try { p.x } catch {} }',
    ],
    [
      'a JSON text that is parsed again and again',
      'const s = "[" + "{},".repeat(2e5) + "0]"; for (;;) JSON.parse(s).length',
    ],
    ['a toJSON', '({ toJSON() { for (;;); } })'],
  ])('%s', async (_, script) => {
    expect(await scriptAttack(script)).toMatch(/^(?:script_timeout|guest_timeout|script_out_of_memory)$/);
  });

  test.each([
    [
      'a large sort',
      'const a = Array.from({ length: 1e5 }, (_, i) => (i * 7919) % 1e5); for (;;) a.slice().sort()',
    ],
    ['a power of large integers', '3n ** (3n ** 16n)'],
    ['products of large integers', 'let n = 7n ** 20000n; for (;;) n * n * n'],
    ['an integer written in decimal', '(7n ** 200000n).toString().length'],
    ['a text repeated', 'for (;;) "ab".repeat(1e6).split("").reverse().join("").length'],
    ['a search for what is not there', '"a".repeat(2e6).indexOf("a".repeat(1e6) + "b")'],
    ['a join of a sparse array', 'const a = []; a[2 ** 31] = 1; a.join()'],
    ['an array emptied from its front', 'const a = new Array(3e5).fill(0); while (a.length) a.shift()'],
    ['a text replaced in itself', '"a".repeat(1e5).replace(/a/g, "$`").length'],
    ['a comparison with the locale', 'for (;;) "a".repeat(1e6).normalize("NFKD").length'],
  ])('in a built-in that is slow: %s', async (_, script) => {
    expect(await scriptAttack(script)).toMatch(
      /^(?:ok|script_timeout|guest_timeout|script_out_of_memory|script_threw)$/,
    );
  });

  test('at the loading of a helper, which fails its own flow', async () => {
    const outcome = await scriptAttack('1', { 'helper.js': 'for (;;); export const a = 1;' });
    expect(outcome).toBe('script_timeout');
    expect(arena.problems.map(({ code }) => code)).toContain('script_timeout');
  });

  test('in an exported getter of a helper', async () => {
    const helper = 'export const a = { get b() { for (;;); } };';
    expect(await scriptAttack('a.b', { 'helper.js': helper })).toBe('script_timeout');
  });
});

describe('a script fills its own memory and no other', () => {
  test.each([
    ['an array that grows', 'const a = []; for (;;) a.push([1, 2, 3])'],
    ['a text that doubles', 'let s = "x"; for (;;) s += s'],
    ['buffers', 'const a = []; for (;;) a.push(new ArrayBuffer(1e6))'],
    ['JSON of 20 MB', 'JSON.parse("[" + "{},".repeat(7e6) + "0]").length'],
    [
      'a bomb that catches what it gets',
      'const a = []; for (;;) { try { for (;;) a.push(new Array(1e4)) } catch {} }',
    ],
  ])('%s', async (_, script) => {
    expect(await scriptAttack(script)).toMatch(
      /^(?:script_out_of_memory|script_threw|script_timeout|guest_timeout)$/,
    );
  });
});

describe('a script overflows its own stack', () => {
  test.each([
    ['in a function', 'function f() { return f() + 1 } f()'],
    ['in a getter', 'const o = { get a() { return this.a } }; o.a'],
    ['in a regular expression', 'new RegExp("(".repeat(1e5) + ")".repeat(1e5)).test("")'],
    ['in JSON', 'JSON.parse("[".repeat(1e6))'],
    ['in the source of an evaluation', 'eval("(".repeat(1e6))'],
    ['in a value that nests', 'let v = 1; for (let i = 0; i < 1e5; i++) v = [v]; v'],
    ['while it writes to the console', 'function f() { console.log("x"); f() } f()'],
  ])('%s', async (_, script) => {
    expect(await scriptAttack(script)).toMatch(
      /^(?:script_(?:stack_overflow|threw|out_of_memory|timeout|result_invalid)|guest_timeout)$/,
    );
  });
});

describe('what a script gives is bounded and JSON', () => {
  test.each([
    ['a promise that nobody settles', 'new Promise(() => {})', /^script_result_invalid$/],
    ['a text larger than an event', '"x".repeat(300000)', /^(?:script_result_invalid|json_too_large)$/],
    [
      'a value deeper than an event',
      'let v = 1; for (let i = 0; i < 100; i++) v = [v]; v',
      /^json_too_deep$/,
    ],
    ['a value of too many parts', 'new Array(110000).fill(0)', /^json_too_many_elements$/],
    ['itself', 'const o = {}; o.o = o; o', /^script_result_invalid$/],
    ['a function', '() => 1', /^script_result_invalid$/],
    ['a large integer', '1n', /^script_result_invalid$/],
    ['an object whose toJSON throws', '({ toJSON() { throw 1 } })', /^script_result_invalid$/],
  ])('%s', async (_, script, code) => {
    expect(await scriptAttack(script)).toMatch(code);
  });

  test('a flood of the console is cut, and its lines are one entry each', async () => {
    arena.logs.length = 0;
    expect(
      await scriptAttack('for (let i = 0; i < 200; i++) console.log("\\u001b[2J\\n" + "x".repeat(1e4)); 1'),
    ).toBe('ok');
    expect(arena.logs.length).toBeLessThanOrEqual(101);
    for (const { message, source } of arena.logs) {
      expect(source).toBe('flow:hostile');
      expect(Buffer.byteLength(message)).toBeLessThanOrEqual(8192 + 3);
    }
  });
});

describe('an expression is bounded', () => {
  const branch = (expression: string): Promise<Flow> =>
    flow('hostile', { type: 'branch', config: { conditions: [{ expression, to: 'end' }], default: 'end' } });

  test.each([
    [
      'a comprehension in a comprehension',
      'event.payload.list.all(x, event.payload.list.all(y, x + y >= 0))',
    ],
    [
      'many of them',
      Array.from(
        { length: 8 },
        () => 'event.payload.list.all(x, event.payload.list.all(y, x + y >= 0))',
      ).join(' && '),
    ],
    [
      'a text that doubles',
      `event.payload.list.map(x, event.payload.text + event.payload.text).map(y, y + y + y + y).size() > 0`,
    ],
    [
      'a list that multiplies',
      'event.payload.list.map(x, event.payload.list).map(y, y + y + y + y).size() > 0',
    ],
  ])('%s', async (_, expression) => {
    expect(codeOf(await attack(await branch(expression)))).toMatch(
      /^(?:ok|expression_too_costly|expression_failed|guest_timeout)$/,
    );
  });

  testOnce.each([
    ['a regular expression that backtracks', "event.payload.text.matches('^(x+)+$')"],
    ['comprehensions three deep', '[1].all(x, [1].all(y, [1].all(z, true)))'],
    ['parentheses without end', `${'('.repeat(5000)}true${')'.repeat(5000)}`],
    ['a chain of ten thousand additions', `1${' + 1'.repeat(10_000)} > 0`],
  ])('%s is refused when the flow is loaded', async (_, expression) => {
    await expect(branch(expression)).rejects.toMatchObject({ code: 'expression_invalid' });
  });
});

test('what was ended leaves no thread behind', () => arena.threadsAreGone());
