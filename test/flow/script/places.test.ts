import { expect, test } from 'vitest';
import { newTrials } from './engines.ts';

const { compile, run } = await newTrials();

/** The error's code and place as `code file:line:column`. */
function placeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    const [problem] = (error as { problems: [{ code: string; file: string; line: number; column: number }] })
      .problems;
    return `${problem.code} ${[problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':')}`;
  }
  return 'nothing thrown';
}

test.each([
  ['on the first line', 'let x = ;', 'script_syntax flow.ygtc:8:9'],
  ['on a later line', '1;\n\n  let y = 2;\n  let y = 3;', 'script_syntax flow.ygtc:11:9'],
  ['at the end', 'if (true) {\n', 'script_syntax flow.ygtc:9:1'],
  ['a return outside of a function', '\nreturn 1', 'script_syntax flow.ygtc:9:1'],
  ['a regular expression', '/(/', 'script_syntax flow.ygtc:8:1'],
  ['an import', 'import x from "./x.js"', 'script_syntax flow.ygtc:8:8'],
  ['a strict directive that is broken', '"use strict";\nwith (1) {}', 'script_syntax flow.ygtc:9:1'],
])('a syntax error names file, line and column of the flow: %s', (_what, source, place) => {
  expect(placeOf(() => compile(source))).toBe(place);
});

test('a NUL in a script is refused, not cut off at', () => {
  expect(placeOf(() => compile('1;\n2\0; 3'))).toBe('script_syntax flow.ygtc:9');
  expect(placeOf(() => compile('1', { helpers: { 'scripts/h.js': '\n\n\0' } }))).toBe(
    'script_syntax scripts/h.js:3',
  );
});

test('the block’s indentation is added to the column', () => {
  expect(placeOf(() => compile('1;\nlet x = ;', { column: 9 }))).toBe('script_syntax flow.ygtc:9:17');
});

test.each([
  ['at the top', '\nthrow new Error("x")', 'script_threw flow.ygtc:9:16'],
  ['in a function', 'function f() {\n  null.x;\n}\nf()', 'script_threw flow.ygtc:9:7'],
  [
    'in a callback of a built-in',
    '[1].map(() => {\n  throw new Error("x");\n})',
    'script_threw flow.ygtc:9:18',
  ],
  ['in text that it evaluates', '1;\neval("throw new Error(1)")', 'script_threw flow.ygtc:9:5'],
  ['in a Function that it makes', '\nFunction("throw new Error(1)")()', 'script_threw flow.ygtc:9:31'],
  ['something that is no error', '\nthrow { a: 1 }', 'script_threw flow.ygtc:8'],
  ['an unknown name', '\n\nprocess_payload(1)', 'script_threw flow.ygtc:10:1'],
])('an exception names file, line and column of the flow: %s', (_what, source, place) => {
  expect(placeOf(() => run(source))).toBe(place);
});

test('an exception in a helper names the helper', () => {
  const helpers = {
    'scripts/a.js': 'import { deep } from "./b.js";\nexport const f = () => deep();',
    'scripts/b.js': '\n\nexport function deep() {\n  throw new Error("deep");\n}',
  };
  expect(placeOf(() => run('f()', { helpers }))).toBe('script_threw scripts/b.js:4:18');
});

test('a callback of the script that a helper calls is the script’s', () => {
  const helpers = { 'scripts/a.js': 'export const call = (f) => f();' };
  expect(placeOf(() => run('call(() => {\n  null.x;\n})', { helpers }))).toBe('script_threw flow.ygtc:9:7');
});

test('a syntax error in a helper names the helper, also where another imports it', () => {
  expect(
    placeOf(() => compile('1', { helpers: { 'scripts/h.js': 'export const a = 1;\nexport const = 2;' } })),
  ).toBe('script_syntax scripts/h.js:2:14');
  const helpers = { 'scripts/a.js': 'import "./b.js";', 'scripts/b.js': '\n\n(' };
  expect(placeOf(() => compile('1', { helpers }))).toBe('script_syntax scripts/b.js:3:2');
});

test('a helper that throws while it is loaded is named', () => {
  expect(placeOf(() => compile('1', { helpers: { 'scripts/h.js': '\nnull.x;' } }))).toBe(
    'script_threw scripts/h.js:2:5',
  );
});

test.each([
  ['a module of node', 'fs', 'node:fs'],
  ['a package', 'lodash', 'lodash'],
  ['an absolute path', '/etc/passwd', '/etc/passwd'],
  ['a URL', 'https://example.com/x.js', 'https'],
  ['a neighbour that is not there', './missing.js', './missing.js'],
  ['a path that leaves the flow', '../../../secret.js', 'secret.js'],
  ['the loader’s own module', 'gtpack:helpers', 'gtpack:helpers'],
  ['a neighbour by its full name', 'scripts/b.js', 'scripts/b.js'],
])('a helper cannot import %s', (_what, request) => {
  const helpers = { 'scripts/a.js': `\nimport x from '${request}';`, 'scripts/b.js': 'export default 1;' };
  expect(placeOf(() => compile('1', { helpers }))).toBe('script_helper_invalid scripts/a.js:2:15');
});

test('helpers import each other by relative names, and are evaluated once', () => {
  const helpers = {
    'scripts/a.js': 'import { next } from "./lib/c.js"; export const a = next();',
    'scripts/b.js': 'import { next } from "./lib/../lib/c.js"; export const b = next();',
    'scripts/lib/c.js': 'import "../a.js"; let n = 0; export function next() { return ++n; } n = n || 0;',
  };
  // a.js and c.js import each other: next is hoisted, n is not there yet.
  expect(placeOf(() => compile('1', { helpers }))).toMatch(
    /^nothing thrown$|^script_threw scripts\/lib\/c\.js/,
  );
  const acyclic = { ...helpers, 'scripts/lib/c.js': 'let n = 0; export const next = () => ++n;' };
  expect(JSON.parse(run('[a, b, next()]', { helpers: acyclic }))).toEqual([1, 2, 3]);
});

test('two helpers that export one name are refused, one that passes on another’s is not', () => {
  const clash = { 'scripts/a.js': 'export const f = 1;', 'scripts/b.js': 'export const f = 2;' };
  expect(() => compile('1', { helpers: clash })).toThrow(
    /'f' is exported by scripts\/a\.js and by scripts\/b\.js/,
  );
  const passed = {
    'scripts/a.js': 'export * from "./b.js";',
    'scripts/b.js': 'export const f = 2; export default 3;',
  };
  expect(run('f', { helpers: passed })).toBe('2');
});

test('exports are live', () => {
  const helpers = { 'scripts/a.js': 'export let n = 0; export const add = () => { n++; };' };
  expect(run('add(); add(); n', { helpers })).toBe('2');
});

test('a helper that cannot be loaded once for all runs is refused', () => {
  const load = (source: string) => () => compile('1', { helpers: { 'scripts/h.js': source } });
  expect(load('export const t = Date.now();')).toThrow(/reads the time while it is loaded/);
  expect(load('export const t = new Date();')).toThrow(/reads the time while it is loaded/);
  expect(load('export const r = Math.random();')).toThrow(/no seed while a helper module is loaded/);
  expect(load('await new Promise(() => {});')).toThrow(/await something that never happens/);
  expect(load('export const undefined = 1;')).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^script_/) }),
  );
  expect(run('d', { helpers: { 'scripts/h.js': 'export const d = new Date(0).getTime() + await 1;' } })).toBe(
    '1',
  );
});

test('a helper that does not come to an end is stopped', async () => {
  const { engine, stopAfter } = await newTrials();
  const compileLoop = () =>
    engine.compile({
      file: 'flow.ygtc',
      line: 1,
      source: '1',
      helpers: { 'scripts/h.js': 'for (;;);' },
      shouldStop: stopAfter(5),
    });
  expect(compileLoop).toThrow(expect.objectContaining({ code: 'script_timeout' }));
});

test.each([
  ['a getter that throws', 'throw Object.defineProperty(new Error(), "message", { get() { throw 1; } })'],
  ['a proxy that throws', 'throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; } })'],
  ['a stack that is no text', 'const e = new Error("m"); e.stack = { toString() { throw 3; } }; throw e'],
  ['a forged description', 'Object.prototype.toJSON = () => ({ name: 1 }); throw new Error("m")'],
  ['a symbol', 'throw Symbol("s")'],
  ['null', 'throw null'],
  ['an endless name', 'const e = new Error("m"); e.name = "n".repeat(1e6); throw e'],
])('whatever is thrown gives an error of bounded size: %s', (_what, source) => {
  try {
    run(source);
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ code: 'script_threw' });
    expect(String(error).length).toBeLessThan(1000);
  }
});

test('a forged stack names no other file', () => {
  const source =
    'const e = new Error("m"); e.stack = "    at f (/etc/passwd:1:1)\\n    at g (<input>:9999:1)"; throw e';
  expect(placeOf(() => run(source))).toBe('script_threw flow.ygtc:8');
});

test('the bootstrap’s and the host’s own places are never shown', () => {
  try {
    run('throw new Error("x")');
  } catch (error) {
    expect(String(error)).not.toMatch(/bootstrap|<input>|\/host\//);
  }
});
