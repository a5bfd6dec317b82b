import { expect, test } from 'vitest';
import { ScriptEngine } from '../../../host/flow/script/engine.ts';
import { newTrials } from './engines.ts';

const { engine, compile, start, run, value, stopAfter } = await newTrials({
  maxConsoleLines: 5,
  maxConsoleLineBytes: 64,
});
const MiB = 1024 * 1024;

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'nothing thrown';
}

test.each([
  ['a loop', 'for (;;);'],
  ['a loop that catches everything', 'for (;;) { try { for (;;); } catch {} finally {} }'],
  ['a generator', 'function* g() { for (;;) yield 1; } for (const x of g());'],
  ['an async function', '(async () => { for (;;) await 1; })()'],
  [
    'an async function that catches',
    'const f = async () => { for (;;) { try { for (;;); } catch {} } }; f(); 1',
  ],
  ['a regular expression', '/^(a+)+$/.test("a".repeat(40) + "b")'],
  ['a getter of the result', '({ get a() { for (;;); } })'],
  [
    'a getter of what is thrown',
    'throw Object.defineProperty(new Error(), "stack", { get() { for (;;); } })',
  ],
  ['a toString of what is thrown', 'throw { toJSON() { for (;;); } }'],
  ['a comparison', '[1, 2, 3].sort(() => { for (;;); })'],
])('an endless loop is stopped, and the next run works: %s', (_what, source) => {
  expect(codeOf(() => run(source, { shouldStop: stopAfter(20) }))).toBe('script_timeout');
  expect(value('1 + 1')).toBe(2);
});

test.each([
  ['a growing array', 'const a = []; for (;;) a.push({});'],
  ['a growing array of numbers', 'const a = []; for (;;) a.push(1);'],
  ['strings', 'const a = []; const s = "x".repeat(1e6); for (;;) a.push(s + a.length);'],
  ['buffers', 'const a = []; for (;;) a.push(new ArrayBuffer(1e6));'],
  ['a map', 'const m = new Map(); for (let i = 0; ; i++) m.set(i, { i });'],
  ['closures', 'let f = () => 0; for (;;) { const g = f; f = () => g; }'],
  ['promises', 'const a = []; for (;;) a.push(new Promise(() => {}));'],
  ['a huge allocation', 'new ArrayBuffer(1e9)'],
  ['a huge array', 'new Array(1e8).fill(1)'],
  ['JSON', 'let s = "[" + "{},".repeat(1e6) + "{}]"; const a = []; for (;;) a.push(JSON.parse(s));'],
])('a memory bomb is contained, and the next run works: %s', (_what, source) => {
  expect(codeOf(() => run(source))).toMatch(/^script_(out_of_memory|threw)$/);
  expect(engine.memoryBytes()).toBeLessThan(34 * MiB);
  expect(value('new Array(100).fill(1).length')).toBe(100);
});

test('a bomb that catches everything is contained by memory and time', () => {
  const source = 'const a = []; for (;;) { try { for (;;) a.push(new Array(1000)); } catch {} }';
  expect(codeOf(() => run(source, { shouldStop: stopAfter(50) }))).toBe('script_timeout');
  expect(value('1')).toBe(1);
});

test('a string that doubles is ended', () => {
  expect(codeOf(() => run('let s = "x"; for (;;) s += s;'))).toMatch(/^script_(out_of_memory|threw)$/);
  expect(value('1')).toBe(1);
});

test('more memory than the cap is never held', async () => {
  const small = await newTrials({ maxMemoryBytes: 17 * MiB });
  expect(codeOf(() => small.run('new ArrayBuffer(14e6)'))).toBe('script_out_of_memory');
  expect(small.engine.memoryBytes()).toBeLessThan(18 * MiB);
  expect(small.value('new ArrayBuffer(9e6).byteLength')).toBe(9e6);
});

test('inputs that do not fit into the memory are an error, not a crash', () => {
  const scope = { event: { a: 'x'.repeat(40 * MiB) } };
  expect(codeOf(() => run('event.a.length', { scope }))).toBe('script_out_of_memory');
  expect(value('1')).toBe(1);
});

test('a helper that does not fit is an error, and the engine goes on', () => {
  const helpers = { 'scripts/h.js': 'export const a = []; for (;;) a.push({});' };
  expect(codeOf(() => compile('1', { helpers }))).toBe('script_out_of_memory');
  expect(value('1')).toBe(1);
});

test.each([
  ['calls', '(function f() { f(); })()'],
  ['methods', 'const o = { get a() { return this.a; } }; o.a'],
  ['conversions', 'const o = { toString() { return String(o); } }; String(o)'],
  ['a proxy', 'let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x'],
  ['nested text', 'eval("(".repeat(1e5))'],
  ['nested JSON', 'JSON.parse("[".repeat(1e6))'],
  ['a regular expression', 'new RegExp("(".repeat(1e5) + ")".repeat(1e5))'],
  ['a bound function', 'let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); f()'],
])('a recursion is ended, and the next run works: %s', (_what, source) => {
  expect(codeOf(() => run(source))).toMatch(/^script_(stack_overflow|threw|out_of_memory)$/);
  expect(value('1 + 1')).toBe(2);
});

test('an engine whose instance trapped goes on with a new one', () => {
  // Near the end of this thread's own stack the guest's frames do not fit, and V8 unwinds them all.
  const script = compile(
    'const f = (n) => (n === 0 ? "deep" : f(n - 1)); globalThis.n = (globalThis.n ?? 0) + 1; f(700) + n',
  );
  const outcomes = new Set<string>();
  const dive = (): void => {
    try {
      dive();
    } catch {
      // Deeper than this the frame of `dive` itself did not fit.
    }
    if (outcomes.has('"deep1"')) return;
    try {
      outcomes.add(start(script));
    } catch (error) {
      outcomes.add((error as { code?: string }).code ?? 'in the host');
    }
  };
  dive();
  expect(outcomes).toContain('script_stack_overflow');
  expect(outcomes).toContain('"deep1"');
  expect(start(script)).toBe('"deep1"');
  script.dispose();
});

test('console lines reach the host with their level', () => {
  const lines: string[] = [];
  const source =
    'console.log("a", 1, { b: [2] }, null); console.info(); console.warn(undefined); console.error(new TypeError("no")); console.debug(Symbol("s"), 1n)';
  run(source, { onConsole: (level, line) => lines.push(`${level} ${line}`) });
  expect(lines).toEqual([
    'info a 1 {"b":[2]} null',
    'info ',
    'warn undefined',
    'error TypeError: no',
    'debug Symbol(s) 1',
  ]);
});

test('console output is bounded in lines and bytes', () => {
  const lines: string[] = [];
  run('for (let i = 0; i < 1000; i++) console.log("é".repeat(1e5))', {
    onConsole: (_level, line) => lines.push(line),
  });
  expect(lines).toHaveLength(6);
  expect(lines.at(-1)).toMatch(/5 lines/);
  for (const line of lines) expect(new TextEncoder().encode(line).length).toBeLessThanOrEqual(64);
});

test('a value that cannot be shown does not end a run', () => {
  const lines: string[] = [];
  const source = 'const o = {}; o.o = o; console.log(o, { toJSON() { throw 1; } }, "end"); 7';
  expect(run(source, { onConsole: (_level, line) => lines.push(line) })).toBe('7');
  expect(lines).toEqual([expect.stringMatching(/cannot be shown.*end|^\[a value/)]);
});

test('what helpers write while they are loaded begins every run’s output', () => {
  const lines: string[] = [];
  const script = compile('console.log("run")', { helpers: { 'scripts/h.js': 'console.log("load")' } });
  const onConsole = (_level: string, line: string) => lines.push(line);
  start(script, { onConsole });
  start(script, { onConsole });
  expect(lines).toEqual(['load', 'run', 'load', 'run']);
  script.dispose();
});

test('an exception of the host’s own callback ends the run and comes out as it is', () => {
  const broken = new Error('the host is broken');
  const fail = () => {
    throw broken;
  };
  expect(() => run('console.log(1); for (;;);', { onConsole: fail })).toThrow(broken);
  expect(() => run('for (;;);', { shouldStop: fail })).toThrow(broken);
  expect(() => run('console.log(1); 2', { onConsole: fail })).toThrow(broken);
  expect(value('1')).toBe(1);
});

test('limits that the engine cannot keep are refused', async () => {
  const { loadScriptWasm } = await import('../../../host/flow/script/script-wasm.ts');
  const wasmModule = new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>);
  for (const maxMemoryBytes of [0, 15 * MiB, Number.NaN, 3000 * MiB]) {
    await expect(ScriptEngine.create({ wasmModule, maxMemoryBytes })).rejects.toThrow();
  }
  for (const maxStackBytes of [0, -1, 5 * MiB, Number.NaN]) {
    await expect(ScriptEngine.create({ wasmModule, maxStackBytes })).rejects.toThrow(RangeError);
  }
});

test('a module that is not the known build is refused', async () => {
  const empty = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  await expect(ScriptEngine.create({ wasmModule: empty })).rejects.toThrow();
});
