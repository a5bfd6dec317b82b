import { describe, expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { enterCel, leaveCel, NoJson } from '../../host/flow/cel-value.ts';
import { type Expression, ExpressionCompiler, isExpression } from '../../host/flow/expression.ts';

const compiler = new ExpressionCompiler({ nodes: ['total'], outputs: ['sum'] });

function compile(source: string, kind: 'condition' | 'value' = 'value'): Expression {
  const compiled = compiler.compile(source, kind);
  if (!isExpression(compiled)) throw new Error(compiled.message);
  return compiled;
}

function faultOf(source: string, kind: 'condition' | 'value' = 'value'): string {
  const compiled = compiler.compile(source, kind);
  if (isExpression(compiled)) throw new Error(`It compiled: ${source}`);
  return compiled.message;
}

/** `p` is the payload. */
function evaluate(source: string, payloadJson = '{}'): unknown {
  const event = enterCel(JSON.parse(`{"event_type":"order.created","payload":${payloadJson}}`));
  return compile(source).evaluate(new Map([['event', event]]));
}

function failure(source: string, payloadJson?: string): GtpackError {
  try {
    evaluate(source, payloadJson);
  } catch (error) {
    if (error instanceof GtpackError) return error;
    throw error;
  }
  throw new Error(`It gave a value: ${source}`);
}

describe('whole numbers enter as int and leave as numbers', () => {
  test.each([
    ['event.payload.n', '{"n":42}', 42],
    ['event.payload.n + 1', '{"n":42}', 43],
    ['event.payload.n / 4', '{"n":42}', 10],
    ['event.payload.n % 4', '{"n":42}', 2],
    ['-event.payload.n', '{"n":42}', -42],
    ['event.payload.list[event.payload.n]', '{"n":1,"list":["a","b"]}', 'b'],
    ['size(event.payload.list)', '{"list":[1,2]}', 2],
    ['event.payload', '{"a":[1,2.5,{"b":3}],"c":null,"d":true}', { a: [1, 2.5, { b: 3 }], c: null, d: true }],
    ['event.payload.list.map(x, x * 2)', '{"list":[1,2.5]}', [2, 5]],
    ['event.payload.list == [1, 2]', '{"list":[1,2]}', true],
    ['2 in event.payload.list', '{"list":[1,2]}', true],
    ["{'a': event.payload.n, 'b': 'x'}", '{"n":1}', { a: 1, b: 'x' }],
    ['[1, "a", null, 2.5]', '{}', [1, 'a', null, 2.5]],
    ['event.payload.n == 9007199254740993.0', '{"n":9007199254740993}', true],
  ])('%s', (source, payload, expected) => {
    expect(evaluate(source, payload)).toEqual(expected);
  });
});

describe('int and double mix in arithmetic and comparison', () => {
  test.each([
    ['1 + 1.5', 2.5],
    ['1.5 - 1', 0.5],
    ['2 * 1.5', 3],
    ['3 / 1.5', 2],
    ['5.5 % 2', 1.5],
    ['event.payload.n * event.payload.price', 299.25],
    ['event.payload.price * event.payload.n', 299.25],
    ['event.payload.n + 0.5 > event.payload.n', true],
    ['event.payload.n == 3.0', true],
    ['event.payload.n != 3.0', false],
    ['event.payload.n < event.payload.price', true],
    ['size("abc") == 3.0', true],
    ['event.payload.price > 99', true],
    ['event.payload.n in [3.0]', true],
  ])('%s', (source, expected) => {
    expect(evaluate(source, '{"n":3,"price":99.75}')).toBe(expected);
  });

  test('a double that happens to be whole stays a double', () => {
    expect(evaluate('[5.0].map(x, x / 2)')).toEqual([2.5]);
  });
});

describe('a missing key is told apart from every other failure', () => {
  test.each([
    ['event.payload.nope', 'no such key: nope'],
    ['event.payload.nope.deeper == 1', 'no such key: nope'],
    ['event.payload.nothing.deeper', 'no such key: deeper'],
    ['event.payload.n.deeper', 'no such key: deeper'],
    ['event.payload.list[7]', 'no such element, index 7'],
    ['event.nope == "x" && event.payload.n == 3', 'no such key: nope'],
    ['sum > 3', 'nothing was put into sum yet'],
  ])('%s', (source, message) => {
    const error = failure(source, '{"n":3,"list":[],"nothing":null}');
    expect(error.code).toBe('expression_key_missing');
    expect(error.message).toContain(message);
  });

  test.each([
    ['event.payload.s + 1', 'no such overload'],
    ['event.payload.n / 0', 'division by zero'],
    ['event.payload.n.startsWith("x")', 'no matching overload'],
    ['9223372036854775807 + event.payload.n', 'overflow'],
    ['9007199254740993 + 0', 'past 2^53'],
    ['1.0 / 0.0', 'no number of JSON'],
    ['type(event.payload.n)', 'no JSON'],
  ])('%s fails', (source, message) => {
    const error = failure(source, '{"n":3,"s":"x"}');
    expect(error.code).toBe('expression_failed');
    expect(error.message).toContain(message);
  });

  test('the other side of || and && decides where it can', () => {
    expect(evaluate('event.nope == 1 || event.payload.n == 3', '{"n":3}')).toBe(true);
    expect(evaluate('event.payload.n == 4 && event.nope == 1', '{"n":3}')).toBe(false);
  });

  test('has() asks without failing', () => {
    expect(evaluate('has(event.payload.a) && event.payload.a == 1', '{}')).toBe(false);
    expect(evaluate('has(event.payload.a)', '{"a":null}')).toBe(true);
  });
});

describe('keys that JavaScript gives a meaning are plain keys', () => {
  const payload =
    '{"constructor":"x","a":{"constructor":{"b":1}},"__proto__":{"c":2},"list":[{"constructor":1}]}';
  test.each([
    ['event.payload.constructor', 'x'],
    ['event.payload.a.constructor.b + 1', 2],
    ['event.payload.__proto__.c', 2],
    ['event.payload.list.map(x, x.constructor)', [1]],
    ['event.payload.list == event.payload.list', true],
    ['has(event.payload.a.constructor)', true],
    ['event.payload.size() == 4', true],
  ])('%s', (source, expected) => {
    expect(evaluate(source, payload)).toEqual(expected);
  });

  test('they leave as they came, and pollute nothing', () => {
    expect(JSON.stringify(evaluate('event.payload', payload))).toBe(payload);
    expect(({} as Record<string, unknown>).c).toBeUndefined();
  });

  test('what every object inherits is a missing key', () => {
    for (const key of ['toString', 'constructor', '__proto__', 'hasOwnProperty', 'valueOf']) {
      expect(failure(`event.payload.${key}`, '{}').code).toBe('expression_key_missing');
    }
  });
});

describe('bounds', () => {
  test('`matches` is refused in every form', () => {
    for (const source of [
      "event.s.matches('a+')",
      "'a'.matches(event.s)",
      "event.l.all(x, x.matches('a'))",
      "has(event.x) ? event.s.matches('b') : true",
    ]) {
      expect(faultOf(source)).toContain('`matches` is refused');
    }
  });

  test('comprehensions nest two deep and no deeper, whichever they are', () => {
    expect(evaluate('[1, 2].all(x, [1, 2].exists(y, x == y))')).toBe(true);
    for (const inner of [
      'all(z, z > 0)',
      'exists(z, z > 0)',
      'exists_one(z, z > 0)',
      'filter(z, z > 0) == []',
      'map(z, z) == []',
      'map(z, z > 0, z) == []',
    ]) {
      expect(faultOf(`[1].all(x, [1].map(y, [1].${inner}).size() > 0)`)).toContain('nested more than 2');
    }
    expect(faultOf('[1].all(x, cel.bind(q, [1].map(y, [1].map(z, z)), q == []))')).toContain(
      'nested more than 2',
    );
  });

  test('comprehensions one after the other are not nested', () => {
    expect(evaluate('[1, 2, 3].map(x, x + 1).filter(x, x > 2).map(x, x * 2)')).toEqual([6, 8]);
  });

  test('a comprehension runs over 1,000 elements and refuses 1,001', () => {
    const list = (length: number) => JSON.stringify({ l: Array.from({ length }, (_, at) => at) });
    expect(evaluate('event.payload.l.map(x, x + 1).size()', list(1000))).toBe(1000);
    for (const loop of [
      'map(x, x)',
      'all(x, true)',
      'exists(x, false)',
      'exists_one(x, false)',
      'filter(x, false)',
      'map(x, true, x)',
    ]) {
      const error = failure(`event.payload.l.${loop}`, list(1001));
      expect(error.code).toBe('expression_too_costly');
      expect(error.message).toContain('1001 elements');
    }
    const keys = JSON.stringify({
      m: Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`k${at}`, 1])),
    });
    expect(failure('event.payload.m.all(k, true)', keys).code).toBe('expression_too_costly');
    expect(failure("event.payload.s.split('').map(c, c)", JSON.stringify({ s: 'x'.repeat(1001) })).code).toBe(
      'expression_too_costly',
    );
  });

  test('texts and lists that double do not grow without end', () => {
    const doubled = (seed: string, times: number) => {
      let source = `a${times}`;
      for (let at = times; at > 0; at -= 1)
        source = `cel.bind(a${at}, ${at === 1 ? seed : `a${at - 1} + a${at - 1}`}, ${source})`;
      return source;
    };
    const seeds = JSON.stringify({ s: 'x'.repeat(200_000), l: Array.from({ length: 1000 }, () => 1) });
    expect(failure(doubled('event.payload.s', 9), seeds).message).toContain('A text grew past');
    expect(failure(doubled('event.payload.l', 9), seeds).message).toContain('A list grew past');
    const wide = JSON.stringify({ l: Array.from({ length: 1000 }, () => 1), s: 'x'.repeat(200_000) });
    expect(failure('event.payload.l.map(x, event.payload.s)', wide).message).toContain('longer than');
    expect(
      failure('event.payload.l.map(x, event.payload.l.map(y, event.payload.l))', wide).message,
    ).toContain('elements');
  });

  test('an expression has a size', () => {
    expect(faultOf(`1${' + 1'.repeat(2000)}`)).toContain('8001 characters long');
    expect(faultOf(Array.from({ length: 600 }, () => '1').join('+'))).toContain('maxAstNodes');
  });
});

test('what is not true or false is no condition', () => {
  expect(faultOf('"text"', 'condition')).toContain('must give true or false');
  const scope = new Map([['event', enterCel({ a: 'text' })]]);
  expect(() => compile('event.a', 'condition').test(scope)).toThrow(
    'gave a text; it must give true or false',
  );
});

test('timestamps, durations, bytes and unsigned numbers leave as JSON', () => {
  expect(evaluate("timestamp('2026-01-02T03:04:05Z')")).toBe('2026-01-02T03:04:05.000Z');
  expect(evaluate("duration('90s')")).toBe('90s');
  expect(evaluate("b'abc'")).toBe('YWJj');
  expect(evaluate('uint(7)')).toBe(7);
});

test('an expression gives the same for every evaluation', () => {
  const expression = compile('event.l.filter(x, x > 1).map(x, x * 2)');
  const scope = (l: number[]) => new Map([['event', enterCel({ l })]]);
  expect(expression.evaluate(scope([1, 2, 3]))).toEqual([4, 6]);
  expect(expression.evaluate(scope([5]))).toEqual([10]);
  expect(expression.evaluate(scope([1, 2, 3]))).toEqual([4, 6]);
});

test('values that are nested too deep do not leave', () => {
  let deep: unknown = 1n;
  for (let at = 0; at < 200; at += 1) deep = [deep];
  expect(() => leaveCel(deep)).toThrow(NoJson);
});
