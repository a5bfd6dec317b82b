import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scriptComponent } from './component-maker.ts';
import { type FieldCell, openFieldCell } from './field-cell.ts';

const WORLD = `
interface shapes {
  record point { x: s32, y: s32 }
  record odd { %constructor: string, to-string: u8, is-URL: bool, i18n-id: option<string> }
  variant shape { dot, circle(f64), line(tuple<point, point>), named(option<string>) }
  enum colour { red, dark-blue }
  flags rights { can-read, write }
  record numbers { a: s8, b: u8, c: s16, d: u16, e: s32, f: u32, g: s64, h: u64, i: f32, j: f64 }
  record lists { a: list<s8>, c: list<s16>, d: list<u16>, e: list<s32>, f: list<u32>, g: list<s64>, h: list<u64>, i: list<f32>, j: list<f64>, k: list<bool>, l: list<list<string>> }
  echo-numbers: func(v: numbers) -> numbers;
  echo-lists: func(v: lists) -> lists;
  echo-odd: func(v: odd) -> odd;
  echo-shape: func(v: shape) -> shape;
  echo-colour: func(v: colour) -> colour;
  echo-rights: func(v: rights) -> rights;
  echo-bytes: func(v: list<u8>) -> list<u8>;
  echo-char: func(v: char) -> char;
  echo-text: func(v: string) -> string;
  echo-option: func(v: option<u32>) -> option<u32>;
  echo-nested: func(v: option<option<u32>>) -> option<option<u32>>;
  echo-result: func(v: result<u32, string>) -> tuple<result<u32, string>, bool>;
  echo-empty: func(v: result) -> tuple<result>;
  two: func(first: string, second-one: option<bool>) -> string;
  none: func();
  fails: func(how: string) -> result<string, shape>;
  fails-bare: func() -> result;
}
world built {
  export shapes;
  export add: func(a: u32, b: u32) -> u32;
}`;

const SCRIPT = `
const same = (v) => v;
export const shapes = {
  echoNumbers: same, echoLists: same, echoOdd: same, echoShape: same, echoColour: same, echoRights: same,
  echoBytes: same, echoChar: same, echoText: same, echoOption: same, echoNested: same,
  echoResult: (v) => [v, true], echoEmpty: (v) => [v],
  two: (first, second) => first + ':' + second,
  none: () => undefined,
  fails: (how) => { if (how === 'well') return 'ok'; throw { tag: 'circle', val: 1.5 }; },
  failsBare: () => { throw undefined; },
};
export const add = (a, b) => a + b;
`;

let cell: FieldCell;
beforeAll(async () => {
  cell = await openFieldCell(await scriptComponent({ world: WORLD, packages: [], script: SCRIPT }));
});
afterAll(() => cell.stop());

const NUMBERS = { a: -128, b: 255, c: -32768, d: 65535, e: -(2 ** 31), f: 2 ** 32 - 1 };

describe('values cross in both directions as JSON', () => {
  test.each<[string, unknown]>([
    ['echo-numbers', { ...NUMBERS, g: -5, h: 5, i: 0.5, j: -1e300 }],
    ['echo-numbers', { ...NUMBERS, g: -(2 ** 53 - 1), h: 2 ** 53 - 1, i: 'NaN', j: '-Infinity' }],
    [
      'echo-lists',
      {
        a: [-1, 2],
        c: [-300],
        d: [60000],
        e: [-70000],
        f: [2 ** 31],
        g: [-1, '-9007199254740992'],
        h: [1],
        i: [0.5],
        j: [0.1, 'Infinity'],
        k: [true, false],
        l: [['a'], []],
      },
    ],
    ['echo-odd', { constructor: 'c', 'to-string': 1, 'is-URL': true, 'i18n-id': null }],
    ['echo-shape', 'dot'],
    ['echo-shape', { circle: 2.5 }],
    [
      'echo-shape',
      {
        line: [
          { x: 1, y: 2 },
          { x: -3, y: 4 },
        ],
      },
    ],
    ['echo-shape', { named: null }],
    ['echo-shape', { named: 'n' }],
    ['echo-colour', 'dark-blue'],
    ['echo-rights', ['can-read', 'write']],
    ['echo-rights', []],
    ['echo-bytes', Buffer.from([0, 255, 128]).toString('base64')],
    ['echo-bytes', ''],
    ['echo-char', '😀'],
    ['echo-text', 'ü\u0000😀'],
    ['echo-option', null],
    ['echo-option', 0],
    ['echo-nested', null],
    ['echo-nested', { some: null }],
    ['echo-nested', { some: 7 }],
  ])('%s %j', async (fn, v) => {
    expect(await cell.output(fn, { v })).toEqual(v);
  });

  test('results, with values and without', async () => {
    expect(await cell.output('echo-result', { v: { ok: 1 } })).toEqual([{ ok: 1 }, true]);
    expect(await cell.output('echo-result', { v: { error: 'e' } })).toEqual([{ error: 'e' }, true]);
    expect(await cell.output('echo-empty', { v: { ok: null } })).toEqual([{ ok: null }]);
    expect(await cell.output('echo-empty', { v: { error: null } })).toEqual([{ error: null }]);
  });

  test('parameters by their names, functions by theirs alone or with their interface, and nothing as null', async () => {
    expect(await cell.output('add', { a: 2, b: 3 })).toBe(5);
    expect(await cell.output('two', { first: 'a' })).toBe('a:null');
    expect(await cell.output('test:built/shapes@0.1.0#two', { first: 'a', 'second-one': true })).toBe(
      'a:true',
    );
    expect(await cell.output('none', null)).toBeNull();
  });

  test('the error side of a result is a problem of the component, and its instance goes on', async () => {
    expect(await cell.output('fails', { how: 'well' })).toBe('ok');
    expect(await cell.invoke('fails', { how: 'badly' })).toEqual({
      kind: 'problem',
      problem: { code: 'component_error', message: '{"circle":1.5}', retryable: false },
    });
    expect(await cell.invoke('fails-bare')).toEqual({
      kind: 'problem',
      problem: { code: 'component_error', message: 'The component gave no message.', retryable: false },
    });
  });
});

describe('wrong input is refused by the path of what is wrong', () => {
  test.each<[string, unknown, string]>([
    ['add', { a: 1 }, 'input.b: u32 was expected; nothing came.'],
    ['add', { a: 1, b: -1 }, 'input.b: u32 was expected; -1 came.'],
    ['add', { a: 1, b: 1.5 }, 'input.b: u32 was expected; 1.5 came.'],
    ['add', { a: 1, b: 2 ** 32 }, 'input.b: u32 was expected; 4294967296 came.'],
    ['add', { a: 1, b: '1' }, 'input.b: u32 was expected; "1" came.'],
    ['add', { a: 1, b: 1, c: 1 }, 'input: there is no field "c". Known: a, b.'],
    ['add', [1, 2], 'input: record { a: u32, b: u32 } was expected; [1,2] came.'],
    [
      'echo-numbers',
      { v: { ...NUMBERS, g: 0, h: '18446744073709551616', i: 0, j: 0 } },
      'input.v.h: u64 was expected; "18446744073709551616" came.',
    ],
    [
      'echo-numbers',
      { v: { ...NUMBERS, g: 2 ** 53, h: 0, i: 0, j: 0 } },
      'input.v.g: s64 was expected; 9007199254740992 came.',
    ],
    [
      'echo-odd',
      { v: { 'to-string': 1, 'is-URL': true } },
      'input.v.constructor: string was expected; nothing came.',
    ],
    ['echo-shape', { v: 'square' }, 'input.v: variant { dot, circle(f64),'],
    [
      'echo-shape',
      {
        v: {
          line: [
            { x: 1, y: 2 },
            { x: 1, y: 'a' },
          ],
        },
      },
      'input.v.line[1].y: s32 was expected; "a" came.',
    ],
    ['echo-shape', { v: { line: [{ x: 1, y: 2 }] } }, 'input.v.line: tuple<'],
    ['echo-shape', { v: { dot: 1 } }, 'input.v.dot: nothing was expected; 1 came.'],
    ['echo-shape', { v: { dot: null, circle: 1 } }, 'input.v: variant {'],
    ['echo-colour', { v: 'blue' }, 'input.v: enum { red, dark-blue } was expected; "blue" came.'],
    ['echo-rights', { v: ['fly'] }, 'input.v: flags { can-read, write } was expected; ["fly"] came.'],
    ['echo-bytes', { v: 'not base64!' }, 'input.v: base64 was expected; "not base64!" came.'],
    ['echo-bytes', { v: [1] }, 'input.v: base64 was expected; [1] came.'],
    ['echo-char', { v: 'ab' }, 'input.v: char was expected; "ab" came.'],
    ['echo-char', { v: '' }, 'input.v: char was expected; "" came.'],
    ['echo-nested', { v: 7 }, 'input.v: option<option<u32>> was expected; 7 came.'],
    ['echo-result', { v: { err: 1 } }, 'input.v: result<u32, string> was expected; {"err":1} came.'],
    ['echo-lists', { v: { a: [1, 128] } }, 'input.v.a[1]: s8 was expected; 128 came.'],
  ])('%s %j', async (fn, input, message) => {
    const result = await cell.invoke(fn, input);
    expect(result).toMatchObject({ kind: 'problem', problem: { code: 'input_invalid' } });
    expect(result.kind === 'problem' ? result.problem.message : '').toContain(message);
  });

  test('a function that is not there is refused with those that are', async () => {
    expect(await cell.invoke('toString')).toMatchObject({
      kind: 'problem',
      problem: {
        code: 'operation_unknown',
        message: expect.stringMatching(/^There is no function toString\. Known: /),
      },
    });
  });
});
