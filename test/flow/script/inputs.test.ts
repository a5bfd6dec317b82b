import { expect, test } from 'vitest';
import { newTrials } from './engines.ts';

const { compile, start, run, value } = await newTrials();
const scope = { event: { payload: { list: [1, { a: 1 }] } }, input: null };

test('inputs cannot be changed: silently in sloppy mode', () => {
  const source = `
    event.payload.list[1].a = 2; event.payload.list.length = 0; event.payload.more = 1; delete event.payload;
    event = 5; input = 6;
    event`;
  expect(value(source, { scope })).toEqual(scope.event);
});

test.each([
  'event.payload.list[1].a = 2',
  'event.payload.list.push(3)',
  'event.payload.more = 1',
  'delete event.payload',
  'event = 5',
])('inputs cannot be changed: with a TypeError in strict mode: %s', (source) => {
  expect(() => run(`"use strict"; ${source}`, { scope })).toThrow(/TypeError/);
});

test('a script may give its own variables the names of inputs, helpers and built-ins', () => {
  const helpers = {
    'scripts/h.js': 'export const process_payload = () => JSON.stringify(event.payload.list.length);',
  };
  for (const declare of ['let', 'const', 'var']) {
    expect(value(`${declare} own = process_payload(); own`, { helpers, scope })).toBe('2');
  }
  expect(value('let process_payload = 1; process_payload', { helpers, scope })).toBe(1);
  expect(value('const event = 1, JSON = 2, input = 3; event + JSON + input', { helpers, scope })).toBe(6);
  expect(value('function process_payload() { return 7 } process_payload()', { helpers, scope })).toBe(7);
  expect(value('class Object {} typeof new Object()', { helpers, scope })).toBe('object');
});

test('what a script declares is not seen by helpers', () => {
  const helpers = { 'scripts/h.js': 'export const look = () => [typeof mine, event.payload.list.length];' };
  expect(value('let mine = 1; let event = 2; look()', { helpers, scope })).toEqual(['undefined', 2]);
});

test('a script that replaces built-ins deceives only itself', () => {
  const source = `
    Object.freeze = (x) => x; Object.keys = () => []; JSON.parse = () => "forged"; JSON.stringify = () => '"forged"';
    Reflect.apply = null; Array.isArray = () => false; String.prototype.slice = null; Array.prototype[Symbol.iterator] = null;
    event.payload.list[0] = 9; event.payload.list`;
  expect(value(source, { scope })).toEqual(scope.event.payload.list);
});

test('an input that is not read is not parsed', () => {
  const script = compile('1');
  const inputs = { steps: 'not JSON' };
  const rest = { now: 0, seed: 1, shouldStop: () => false, onConsole: () => undefined };
  expect(script.run({ scope: inputs, ...rest })).toBe('1');
  script.dispose();
});

test('helpers see the inputs of the run', () => {
  const helpers = { 'scripts/h.js': 'export const first = () => event.payload.list[0];' };
  expect(value('first()', { helpers, scope })).toBe(1);
});

test('clock and random numbers come from the run, and nothing else does', () => {
  const source = '[Date.now(), new Date().getTime(), new Date().toISOString(), Math.random(), Math.random()]';
  const trial = { now: Date.UTC(2026, 6, 1, 12), seed: 'run-1' };
  const first = value(source, trial) as number[];
  expect(first.slice(0, 3)).toEqual([trial.now, trial.now, '2026-07-01T12:00:00.000Z']);
  expect(value(source, trial)).toEqual(first);
  const other = value(source, { ...trial, seed: 'run-2' }) as number[];
  expect(other[3]).not.toBe(first[3]);
  expect(first[3]).not.toBe(first[4]);
  for (const number of [first[3], first[4], other[3]]) {
    expect(number).toBeGreaterThanOrEqual(0);
    expect(number).toBeLessThan(1);
  }
});

test('random numbers are spread evenly', () => {
  const mean = value('let s = 0; for (let i = 0; i < 10000; i++) s += Math.random(); s / 10000', { seed: 7 });
  expect(mean).toBeGreaterThan(0.48);
  expect(mean).toBeLessThan(0.52);
});

test('the clock stands still in a run', () => {
  expect(value('const t = Date.now(); for (let i = 0; i < 1e5; i++); Date.now() - t')).toBe(0);
});

test('local time is UTC', () => {
  const source = `const d = new Date(2026, 6, 1, 12, 30);
    [d.toISOString(), d.getTimezoneOffset(), d.getHours(), d.getDay(), new Date("2026-07-01T00:00").toISOString(), String(d)]`;
  expect(value(source)).toEqual([
    '2026-07-01T12:30:00.000Z',
    0,
    12,
    3,
    '2026-07-01T00:00:00.000Z',
    'Wed Jul 01 2026 12:30:00 GMT+0000',
  ]);
});

test('a script finds no way out: no module, timer, process, network or file', () => {
  const names = [
    ...['process', 'require', 'module', 'fetch', 'setTimeout', 'setInterval', 'queueMicrotask', 'std', 'os'],
    ...[
      'WebAssembly',
      'Atomics',
      'performance',
      'navigator',
      'print',
      'load',
      'scriptArgs',
      'Buffer',
      'global',
    ],
  ];
  const source = `${JSON.stringify(names)}.filter((name) => name in globalThis)`;
  expect(value(source)).toEqual([]);
});

test.each([
  ['the eval of a script', 'eval("typeof process + typeof require")', 'undefinedundefined'],
  ['a Function of a script', 'Function("return typeof process")()', 'undefined'],
  ['the constructor of console.log', 'console.log.constructor("return typeof process")()', 'undefined'],
  ['the global object of a sloppy function', '(function () { return typeof this.process })()', 'undefined'],
])('%s stays inside', (_what, source, expected) => {
  expect(value(source)).toBe(expected);
});

test.each(['import("fs")', 'import("./scripts/h.js")', 'import("data:text/javascript,1")'])(
  'a script cannot import: %s',
  (source) => {
    expect(() => run(source, { helpers: { 'scripts/h.js': 'export const h = 1' } })).toThrow(
      /imports nothing/,
    );
  },
);

test('a helper cannot import while a run calls it, not even its neighbours', () => {
  const helpers = {
    'scripts/h.js': 'export const h = (name) => import(name);',
    'scripts/g.js': 'export const g = 1;',
  };
  for (const name of ['./g.js', 'fs', 'gtpack:helpers', 'scripts/g.js', '']) {
    expect(() => run(`h(${JSON.stringify(name)})`, { helpers })).toThrow(/cannot be imported here/);
  }
});

test('text of any language and size reaches a script unchanged', () => {
  const texts = ['', 'é😀\u2028\0\ufeff', 'x'.repeat(300_000), '"\\\n'];
  for (const text of texts)
    expect(value('[event.t, event.t.length]', { scope: { event: { t: text } } })).toEqual([
      text,
      text.length,
    ]);
});

test('a script is the same after it has been run with many inputs', () => {
  const script = compile('event.n * 2');
  for (let n = 0; n < 50; n++) expect(start(script, { scope: { event: { n } } })).toBe(String(n * 2));
  script.dispose();
});
