import { expect, test } from 'vitest';
import { newTrials } from './engines.ts';

const { run, value } = await newTrials();

test('the value of a script is that of its last expression', () => {
  expect(value('1; 2; 3')).toBe(3);
  expect(value('if (true) { "yes" } else { "no" }')).toBe('yes');
  expect(value('({ a: [1, { b: null }] })')).toEqual({ a: [1, { b: null }] });
});

test('the script of the documentation runs, with process_payload from scripts/', () => {
  const source = '// Process the event\nlet payload = event.payload;\nprocess_payload(payload)\n';
  const helpers = {
    'scripts/orders.js':
      'export function process_payload(payload) { return { total: payload.order.total * 2 }; }',
  };
  const scope = { event: { id: 'e1', payload: { order: { id: 42, total: 99.5 } } } };
  expect(value(source, { helpers, scope })).toEqual({ total: 199 });
});

test('a script without a value gives null', () => {
  expect(run('')).toBe('null');
  expect(run('undefined')).toBe('null');
  expect(run('let a = 1;')).toBe('null');
});

test.each([
  ['a function', '() => 1'],
  ['a function within', '({ f() {} })'],
  ['a symbol', 'Symbol("s")'],
  ['a BigInt', '[10n]'],
  ['a cycle', 'const o = {}; o.o = o; o'],
  ['a Map', '({ m: new Map() })'],
  ['a Set', 'new Set([1])'],
  ['a promise within', '({ p: Promise.resolve(1) })'],
  ['a toJSON that throws', '({ toJSON() { throw new Error("no") } })'],
])('%s is no output, and the error says so', (_what, source) => {
  expect(() => run(source)).toThrow(
    expect.objectContaining({
      code: 'script_result_invalid',
      message: expect.stringMatching(/^flow\.ygtc:8/),
    }),
  );
});

test('a script may still stringify objects with functions itself', () => {
  expect(value('JSON.stringify({ a: 1, f() {} })')).toBe('{"a":1}');
});

test('a promise that settles without help from outside gives its value', () => {
  expect(value('Promise.resolve({ a: 1 })')).toEqual({ a: 1 });
  expect(value('(async () => { await 1; await 2; return 3; })()')).toBe(3);
});

test('a promise that never settles is an error', () => {
  expect(() => run('new Promise(() => {})')).toThrow(/never settles/);
});

test('a promise that is rejected throws its reason, with its place', () => {
  expect(() => run('(async () => {\n  await 1;\n  throw new RangeError("late");\n})()')).toThrow(
    /^flow\.ygtc:10:\d+: The script threw RangeError: late\./,
  );
});

test('promises that go on forever are ended', () => {
  expect(() => run('const again = () => Promise.resolve().then(again); again()')).toThrow(
    expect.objectContaining({ code: 'script_timeout' }),
  );
});

test('what promises do is done before the value is read', () => {
  expect(value('const o = { n: 1 }; Promise.resolve().then(() => { o.n = 2; }); o')).toEqual({ n: 2 });
});

test('lone surrogates, NUL and keys named __proto__ pass through', () => {
  expect(run('"\\ud800"')).toBe('"\\ud800"');
  expect(value('"a\\0b\\u{1F600}é"')).toBe('a\0b😀é');
  expect(run('JSON.parse(\'{"__proto__":{"x":1}}\')')).toBe('{"__proto__":{"x":1}}');
  expect(run('event', { scope: { event: JSON.parse('{"__proto__":{"x":1},"s":"\\udc00"}') } })).toBe(
    '{"__proto__":{"x":1},"s":"\\udc00"}',
  );
});

test('a value larger than the bound is refused, one at the bound is not', async () => {
  const small = await newTrials({ maxResultBytes: 1000 });
  expect(small.run('"x".repeat(998)')).toHaveLength(1000);
  expect(() => small.run('"x".repeat(999)')).toThrow(/larger than 1000 bytes/);
  expect(() => small.run('"é".repeat(500)')).toThrow(/larger than 1000 bytes/);
});

test('a value that nests too deep is refused', () => {
  expect(() => run('let a = []; for (let i = 0; i < 100000; i++) a = [a]; a')).toThrow(
    expect.objectContaining({ code: 'script_stack_overflow' }),
  );
});
