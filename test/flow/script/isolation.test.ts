import { expect, test } from 'vitest';
import { GtpackError } from '../../../host/errors.ts';
import { Machine } from '../../../host/flow/script/machine.ts';
import { EVAL_GLOBAL } from '../../../host/flow/script/quickjs.ts';
import { loadScriptWasm } from '../../../host/flow/script/script-wasm.ts';
import { newTrials } from './engines.ts';

const { engine, compile, start, run, value } = await newTrials();

test.each([
  ['globals', 'globalThis.seen = (globalThis.seen ?? 0) + 1; seen'],
  ['var and functions', 'var count = typeof count === "number" ? count + 1 : 1; count'],
  ['prototypes', 'Object.prototype.n = ({}).n === undefined ? 1 : 2; ({}).n'],
  ['built-ins', 'const old = JSON.n ?? 0; JSON.n = old + 1; JSON.n'],
  ['arrays of built-ins', 'Array.prototype.push(1); Array.prototype.length'],
  ['symbols', 'const s = Symbol.for("k"); globalThis[s] = (globalThis[s] ?? 0) + 1; globalThis[s]'],
  ['regular expressions', 'const n = RegExp.n ?? 1; RegExp.n = 2; n'],
])('a run sees nothing of an earlier run: %s', (_what, source) => {
  const script = compile(source);
  expect([1, 2, 3].map(() => start(script))).toEqual(['1', '1', '1']);
  script.dispose();
});

test('a run sees nothing of an earlier run: state of helper modules', () => {
  const helpers = { 'scripts/counter.js': 'let n = 0; export const next = () => ++n; export let last = 0;' };
  const script = compile('next(); next()', { helpers });
  expect([1, 2].map(() => start(script))).toEqual(['2', '2']);
  script.dispose();
});

test('a run that was ended in the middle leaves nothing behind', () => {
  const script = compile('globalThis.n = (globalThis.n ?? 0) + 1; if (event.loop) for (;;); n');
  const stop = { scope: { event: { loop: true } }, shouldStop: () => true };
  expect(() => start(script, stop)).toThrow(expect.objectContaining({ code: 'script_timeout' }));
  expect(start(script, { scope: { event: {} } })).toBe('1');
  script.dispose();
});

test('two scripts in turn keep their own helpers', () => {
  const a = compile('who()', { helpers: { 'scripts/a.js': 'export const who = () => "a"' } });
  const b = compile('who()', { helpers: { 'scripts/a.js': 'export const who = () => "b"' } });
  expect([start(a), start(b), start(a), start(b)]).toEqual(['"a"', '"b"', '"a"', '"b"']);
  a.dispose();
  b.dispose();
});

test('memory that a run filled is zero for the next', () => {
  run('globalThis.big = new Uint8Array(6_000_000).fill(171); 1');
  expect(value('const b = new Uint8Array(6_000_000); b.indexOf(171)')).toBe(-1);
  expect(
    value(
      'let s = 0; const b = new ArrayBuffer(6_000_000, { maxByteLength: 7_000_000 }); b.resize(7_000_000); new Uint8Array(b).indexOf(171)',
    ),
  ).toBe(-1);
});

test('what a run wrote is no longer in the engine’s memory when the next begins', async () => {
  const wasmModule = new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>);
  const machine = await Machine.create(wasmModule, {
    maxMemoryBytes: 32 * 1024 * 1024,
    maxStackBytes: 256 * 1024,
    maxConsoleLines: 1,
    maxConsoleLineBytes: 100,
  });
  const visit = (source: string) =>
    machine.visit({
      start: machine.base,
      place: { file: 'flow.ygtc', line: 1 },
      reach: {
        now: () => 0,
        shouldStop: () => false,
        onConsole: () => undefined,
        resolveModule: () => undefined,
        moduleSource: () => undefined,
      },
      explain: (thrown) => new GtpackError('script_threw', thrown.message),
      work: () => machine.quickjs.evaluate(source, 'test.js', EVAL_GLOBAL),
    });
  const traces = () => Buffer.from(machine.quickjs.memory.buffer).indexOf('171717171717');
  visit('globalThis.kept = Array.from({ length: 100000 }, () => "17".repeat(40)); 1');
  expect(traces()).toBeGreaterThan(0);
  visit('1');
  expect(traces()).toBe(-1);
});

test('10,000 runs do not grow memory', () => {
  const script = compile('const a = Array.from({ length: 200 }, (_, i) => ({ i })); a.length + event.n', {});
  start(script, { scope: { event: { n: 1 } } });
  const before = engine.memoryBytes();
  for (let i = 0; i < 10_000; i++) start(script, { scope: { event: { n: i } } });
  expect(engine.memoryBytes()).toBe(before);
  script.dispose();
  expect(engine.memoryBytes()).toBeLessThanOrEqual(before);
});

test('the helpers’ memory is given back with the last script that uses them', () => {
  const before = engine.memoryBytes();
  const helpers = { 'scripts/h.js': 'export const h = 1;' };
  const first = compile('h', { helpers });
  const one = engine.memoryBytes();
  const second = compile('h + 1', { helpers: { ...helpers } });
  expect(one).toBeGreaterThan(before);
  expect(engine.memoryBytes()).toBe(one);
  first.dispose();
  first.dispose();
  expect(start(second)).toBe('2');
  second.dispose();
  expect(engine.memoryBytes()).toBe(before);
  expect(() => start(first)).toThrow(/disposed/);
});

test('a script cannot be run from within a run', () => {
  const script = compile('console.log(1); 2');
  const nested = () => start(script, { onConsole: () => void start(script) });
  expect(nested).toThrow(/runs already/);
  expect(start(script)).toBe('2');
  script.dispose();
});

test('a disposed engine refuses', async () => {
  const other = await newTrials();
  const script = other.compile('1');
  other.engine.dispose();
  expect(() => other.start(script)).toThrow(/disposed/);
  expect(() => other.compile('1')).toThrow(/disposed/);
  expect(() => other.engine.memoryBytes()).toThrow(/disposed/);
});
