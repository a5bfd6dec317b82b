import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkJsonBounds,
  eventBounds,
  type JsonBounds,
  parseBoundedJson,
} from '../../host/event/json-bounds.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';

const roomy: JsonBounds = { maxBytes: 1e6, maxDepth: 1000, maxElements: 1e6 };

function codeOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return 'accepted';
}

const check = (text: string, bounds: Partial<JsonBounds>) =>
  codeOf(() => checkJsonBounds(text, { ...roomy, ...bounds }));

/** What the pass has to count, told by a parsed value. */
function measure(value: unknown): { depth: number; elements: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, elements: 1 };
  const inner = Object.values(value).map(measure);
  return {
    depth: 1 + Math.max(0, ...inner.map((each) => each.depth)),
    elements: 1 + inner.reduce((sum, each) => sum + each.elements, 0),
  };
}

/** Strings that a careless scanner stumbles over. */
const nasty = fc.string({
  unit: fc.constantFrom('"', '\\', '[', ']', '{', '}', ',', ':', ' ', '\n', 'a', '€', '\u2222', '\ud800'),
  maxLength: 60,
});
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, -1.5e300, 0, {}, []),
    nasty,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(nasty, tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe('the bounds of JSON', () => {
  test('what is counted is exactly what a parser builds, in whatever way the text is spaced', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const { depth, elements } = measure(JSON.parse(text));
        expect(check(text, { maxDepth: depth, maxElements: elements })).toBe('accepted');
        if (elements > 1) expect(check(text, { maxElements: elements - 1 })).toBe('json_too_many_elements');
        if (depth > 0) expect(check(text, { maxDepth: depth - 1 })).toBe('json_too_deep');
      }),
      { numRuns: 1000 },
    );
  });

  test('whitespace in an empty container makes no element of it', () => {
    expect(check('[ \r\n\t ]', { maxElements: 1 })).toBe('accepted');
    expect(check('[ [ ] , { } ]', { maxElements: 3 })).toBe('accepted');
    expect(check('[ [ ] , { } ]', { maxElements: 2 })).toBe('json_too_many_elements');
  });

  test('brackets, commas and quotes inside of strings count for nothing', () => {
    const text = JSON.stringify({ '[[[': '{"a":[1,2,3]}', '\\': '\\', '"': `${'\\'.repeat(41)}",[` });
    expect(check(text, { maxDepth: 1, maxElements: 4 })).toBe('accepted');
  });

  test.each(Array.from({ length: 60 }, (_, length) => length))(
    'a string of %i backslashes ends at its own quote',
    (length) => {
      const text = `["${'\\\\'.repeat(length)}",[[[]]]]`;
      expect(JSON.parse(text)).toHaveLength(2);
      expect(check(text, { maxDepth: 3 })).toBe('json_too_deep');
      expect(check(text, { maxDepth: 4, maxElements: 5 })).toBe('accepted');
    },
  );

  test.each(Array.from({ length: 60 }, (_, length) => length))(
    'a quote that is escaped after %i letters does not end its string',
    (length) => {
      const text = `["${'a'.repeat(length)}\\"[[[[[[","b",[[]]]`;
      expect(JSON.parse(text)).toHaveLength(3);
      expect(check(text, { maxDepth: 3, maxElements: 5 })).toBe('accepted');
      expect(check(text, { maxDepth: 2 })).toBe('json_too_deep');
      expect(check(text, { maxElements: 4 })).toBe('json_too_many_elements');
    },
  );

  test('the size is that of the UTF-8 bytes', () => {
    expect(check('"€€"', { maxBytes: 8 })).toBe('accepted');
    expect(check('"€€"', { maxBytes: 7 })).toBe('json_too_large');
    expect(check('"😀"', { maxBytes: 6 })).toBe('accepted');
    expect(check('"😀"', { maxBytes: 5 })).toBe('json_too_large');
    expect(check('"abc"', { maxBytes: 4 })).toBe('json_too_large');
  });

  test('a text that is never closed is refused for its depth, not read to its end', () => {
    expect(check('['.repeat(500_000), { maxDepth: 64 })).toBe('json_too_deep');
    expect(check('{"a":'.repeat(100_000), { maxDepth: 64 })).toBe('json_too_deep');
  });

  test('a text that a parser builds for a while before it refuses it is counted as far as that', () => {
    expect(check(`[${'{},'.repeat(100_000)}`, { maxElements: 1000 })).toBe('json_too_many_elements');
    expect(check('[1,[2', { maxElements: 3 })).toBe('json_too_many_elements');
  });

  test('texts that are cut off inside of a string or an escape do no harm', () => {
    for (const text of ['"', '"\\', '["\\', '["\\"', `["${'a'.repeat(100)}`, `["${'a'.repeat(22)}\\`, '']) {
      expect(check(text, {})).toBe('accepted');
      expect(codeOf(() => parseBoundedJson(text, roomy))).toBe('json_invalid');
    }
  });

  test('the defaults accept an event and refuse what DESIGN says they refuse', () => {
    const bounds = eventBounds(DEFAULT_LIMITS);
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(codeOf(() => parseBoundedJson(nested(64), bounds))).toBe('accepted');
    expect(codeOf(() => parseBoundedJson(nested(65), bounds))).toBe('json_too_deep');
    const list = (length: number) => `[${Array(length).fill('0').join()}]`;
    expect(codeOf(() => parseBoundedJson(list(99_999), bounds))).toBe('accepted');
    expect(codeOf(() => parseBoundedJson(list(100_000), bounds))).toBe('json_too_many_elements');
    expect(codeOf(() => parseBoundedJson(`"${'a'.repeat(256 * 1024 - 2)}"`, bounds))).toBe('accepted');
    expect(codeOf(() => parseBoundedJson(`"${'a'.repeat(256 * 1024 - 1)}"`, bounds))).toBe('json_too_large');
  });

  test('the message names what was read, what came and what is allowed', () => {
    const bounds = { maxBytes: 4, maxDepth: 1, maxElements: 2 };
    expect(() => checkJsonBounds('"abc"', bounds, 'The body')).toThrow(
      'The body is at least 5 bytes long; at most 4 are allowed.',
    );
    expect(() => checkJsonBounds('[[]]', bounds, 'The body')).toThrow(/nests .* more than 1 deep/);
    expect(() => checkJsonBounds('[[]]', { ...roomy, maxElements: 1 }, 'The body')).toThrow(
      /more than 1 obj/,
    );
  });
});

describe('parsing bounded JSON', () => {
  test.each([
    ['', 'a value was expected at line 1, column 1, and the text ended'],
    [' ', 'a value was expected at line 1, column 2, and the text ended'],
    ['{', 'a key in double quotes was expected at line 1, column 2, and the text ended'],
    ['[1,]', 'a value was expected at line 1, column 4, and "]" came'],
    ['{"a":1,}', 'a key in double quotes was expected at line 1, column 8, and "}" came'],
    ["{'a':1}", 'a key in double quotes was expected at line 1, column 2, and "\'" came'],
    ['{"a"\n 1}', '":" was expected at line 2, column 2, and "1" came'],
    ['[1 2]', '"," or "]" was expected at line 1, column 4, and "2" came'],
    ['{"a":[}', 'a value was expected at line 1, column 7, and "}" came'],
    ['{}x', 'the end of the text was expected at line 1, column 3, and "x" came'],
    ['01', 'the end of the text was expected at line 1, column 2, and "1" came'],
    ['NaN', 'a value was expected at line 1, column 1, and "N" came'],
    ['"\\x"', 'a known escape sequence was expected at line 1, column 2, and "\\\\" came'],
    ['"a\tb"', 'the rest of a string in double quotes was expected at line 1, column 3, and "\\t" came'],
    ['\ufeff{}', 'a value was expected at line 1, column 1, and "\\u{feff}" came'],
    ['😀', 'a value was expected at line 1, column 1, and "😀" came'],
  ])('%j is refused with the place of its fault', (text, fault) => {
    expect(() => parseBoundedJson(text, roomy, 'The body')).toThrow(`The body is not JSON: ${fault}.`);
  });

  test('every text that is not JSON is refused with a place', () => {
    fc.assert(
      fc.property(
        json,
        fc.nat(),
        fc.constantFrom('', ',', '}', ']', '"', '\\', ':', 'x', '1'),
        (value, at, put) => {
          const whole = JSON.stringify(value);
          const index = at % (whole.length + 1);
          const text = whole.slice(0, index) + put + whole.slice(index + 1);
          let refused = false;
          try {
            JSON.parse(text);
          } catch {
            refused = true;
          }
          if (refused)
            expect(() => parseBoundedJson(text, roomy)).toThrow(/was expected at line \d+, column \d+/);
          else expect(parseBoundedJson(text, roomy)).toEqual(JSON.parse(text));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('a fault a megabyte deep in brackets is found without using up the stack', () => {
    const bounds = { maxBytes: 1e7, maxDepth: 1e7, maxElements: 1e7 };
    expect(() => parseBoundedJson(`${'['.repeat(200_000)}x`, bounds)).toThrow(/column 200001, and "x" came/);
  });

  test('a key named __proto__ is a key like any other', () => {
    const value = parseBoundedJson('{"__proto__":{"admin":true}}', roomy);
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect((value as { admin?: unknown }).admin).toBeUndefined();
  });

  test('numbers are what JSON.parse makes of them', () => {
    expect(parseBoundedJson('[9007199254740993, -0, 1e400]', roomy)).toEqual([
      9007199254740992,
      -0,
      Infinity,
    ]);
  });

  test('lone surrogates come out of the writer as escapes', () => {
    const written = JSON.stringify(parseBoundedJson('["\\ud800","\udc00"]', roomy));
    expect(written.isWellFormed()).toBe(true);
    expect(written).toBe('["\\ud800","\\udc00"]');
  });
});
