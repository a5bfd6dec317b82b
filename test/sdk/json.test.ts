import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Guest } from './guest.ts';

let probe: Guest;
beforeAll(async () => {
  probe = await Guest.of('test/guests/json-probe');
});

const ask = (operation: string, input: string): string => probe.call('invoke', operation, input);
const nested = (depth: number, inner = ''): string => '['.repeat(depth) + inner + ']'.repeat(depth);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('the validator', () => {
  test.each([
    'null',
    'true',
    'false',
    '0',
    '-0',
    '12',
    '-1.5e+10',
    '1E5',
    '0.0',
    '""',
    '"a"',
    '[]',
    '{}',
    ' [ ] ',
    '\t{\n}\r',
    '[1,2,[3]]',
    '{"a":{"b":[null,true]},"a":1}',
    '"\\u0000\\ud800"',
    '"\u2028 é 😀"',
    '"\u007f"',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '[{},[],"",0]',
    '{"":""}',
    '1e400',
    '123456789012345678901234567890',
    '"\ud800"',
  ])('%j is JSON', (text) => {
    expect(isJson(text)).toBe(true);
    expect(ask('valid', text)).toBe('true');
    expect(ask('fault', text)).toBe('null');
  });

  test.each([
    ['', 0],
    [' ', 1],
    ['nul', 3],
    ['nulL', 3],
    ['truex', 4],
    ['01', 1],
    ['-', 1],
    ['+1', 0],
    ['.5', 0],
    ['1.', 2],
    ['1.e5', 2],
    ['1e', 2],
    ['1e+', 3],
    ['0x10', 1],
    ['NaN', 0],
    ['Infinity', 0],
    ['"', 1],
    ['"a', 2],
    ['"\\', 2],
    ['"\\x"', 2],
    ['"\\u12"', 5],
    ['"\\u12g4"', 5],
    ['"\n"', 1],
    ['"\u0000"', 1],
    ["'a'", 0],
    ['[', 1],
    ['[1', 2],
    ['[1,', 3],
    ['[1,]', 3],
    ['[,1]', 1],
    ['[1 2]', 3],
    [']', 0],
    ['[}', 1],
    ['{', 1],
    ['{"a"', 4],
    ['{"a":', 5],
    ['{"a":1', 6],
    ['{"a":1,', 7],
    ['{"a":1,}', 7],
    ['{a:1}', 1],
    ['{"a" 1}', 5],
    ['{1:2}', 1],
    ['{"a":1]', 6],
    ['[1}', 2],
    ['1 1', 2],
    ['[] []', 3],
    ['\ufeff1', 0],
    ['\u00a01', 0],
    ['[\u000b1]', 1],
    ['/*a*/1', 0],
    ['1//', 1],
    ['{"a":}', 5],
    ['[1]]', 3],
    ['\u0000', 0],
    ['1\u0000', 1],
  ])('%j is refused at %i', (text, position) => {
    expect(isJson(text)).toBe(false);
    expect(ask('valid', text)).toBe('false');
    expect(ask('fault', text)).toBe(String(position));
  });

  test('64 levels are accepted and the 65th is refused where it opens', () => {
    expect(ask('fault', nested(64))).toBe('null');
    expect(ask('fault', nested(64, '{}'))).toBe('64 too deep');
    expect(ask('fault', nested(65))).toBe('64 too deep');
    const objects = '{"a":'.repeat(64);
    expect(ask('fault', `${objects}1${'}'.repeat(64)}`)).toBe('null');
    expect(ask('fault', `${objects}[]${'}'.repeat(64)}`)).toBe('320 too deep');
    expect(ask('fault', nested(500_000))).toBe('64 too deep');
  });

  test('siblings do not add to the depth', () => {
    const text = `[${Array.from({ length: 1000 }, () => '[{"a":[]}]').join(',')}]`;
    expect(ask('valid', text)).toBe('true');
  });

  test('it agrees with JSON.parse on JSON with one unit changed, added or taken out', () => {
    const mutation = fc.record({
      json: fc.json({ maxDepth: 5 }),
      at: fc.nat(),
      kind: fc.constantFrom('change', 'add', 'remove', 'cut'),
      unit: fc.constantFrom(...'{}[]",:\\/ \n\t\u0000ue+-.0129truefalsn\ud800é'.split('')),
    });
    fc.assert(
      fc.property(mutation, ({ json, at, kind, unit }) => {
        const index = at % (json.length + 1);
        const rest = json.slice(kind === 'add' ? index : index + 1);
        const text = json.slice(0, index) + (kind === 'remove' ? rest : kind === 'cut' ? '' : unit + rest);
        expect(ask('valid', text)).toBe(String(isJson(text)));
      }),
      { numRuns: 3000 },
    );
  });

  test('it agrees with JSON.parse on soups of JSON’s own tokens', () => {
    const token = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '\\',
      '\\u',
      '0',
      '1',
      '-',
      '.',
      'e',
      'true',
      'null',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = tokens.join('');
        expect(ask('valid', text)).toBe(String(isJson(text)));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('strings', () => {
  test('any text, lone surrogates included, is quoted as JSON.stringify does and read back', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { maxLength: 40 }), (units) => {
        const text = String.fromCharCode(...units);
        expect(ask('quote', text)).toBe(JSON.stringify(text));
        expect(ask('unquote', JSON.stringify(text))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  test('every way to write a character is read', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(0xffff), fc.boolean()), { maxLength: 30 }), (units) => {
        const json = `"${units
          .map(([unit, escaped]) => {
            const hex = `\\u${unit.toString(16).padStart(4, '0')}`;
            const character = String.fromCharCode(unit);
            return escaped || unit < 0x20 || character === '"' || character === '\\' ? hex : character;
          })
          .join('')}"`;
        expect(ask('unquote', json)).toBe(JSON.parse(json));
      }),
      { numRuns: 1000 },
    );
    expect(ask('unquote', '"\\uD83d\\uDE00\\/\\b\\f\\n\\r\\t\\"\\\\"')).toBe('😀/\b\f\n\r\t"\\');
  });

  test('a text of nothing but control characters is six times as long, and whole', () => {
    const text = '\u0001'.repeat(10_000);
    expect(ask('quote', text)).toBe(JSON.stringify(text));
  });
});

describe('walking', () => {
  test('an object’s members come in order, whatever they hold and however it is spaced', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 })),
        fc.constantFrom(0, 1, '\t'),
        (value, space) => {
          const text = JSON.stringify(value, undefined, space);
          expect(JSON.parse(ask('members', text))).toEqual(JSON.parse(text));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('an array’s elements come in order', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 3 })), fc.constantFrom(0, 1), (value, space) => {
        expect(JSON.parse(ask('elements', JSON.stringify(value, undefined, space)))).toEqual(
          JSON.parse(JSON.stringify(value)),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('a key that is written with escapes is found', () => {
    expect(ask('name', '{"n\\u0061me":"x"}')).toBe('text x');
    expect(ask('name', '{"nam":"a","names":"b","n\\u0061mes":"c","name":"d"}')).toBe('text d');
  });

  test('a member that is missing, or no string, is null', () => {
    for (const text of [
      '{}',
      '{"name":1}',
      '{"name":null}',
      '[]',
      '"name"',
      '',
      '{',
      '{"name"',
      '{"name":',
      'null',
    ]) {
      expect(ask('name', text)).toBe('none');
    }
    expect(ask('value', '{"value": [1, {"value": 2}] , "x":0}')).toBe('[1, {"value": 2}]');
  });

  test('text that is not JSON ends a walk and traps nothing', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'{}[]",:\\a1 '.split('')), maxLength: 30 }),
        (text) => {
          for (const operation of ['members', 'elements', 'name', 'value']) ask(operation, text);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

test('integers are written and read', () => {
  for (const text of [
    '0',
    '7',
    '-1',
    '1790000000000',
    '9007199254740991',
    '-9007199254740991',
    '9223372036854775807',
    '-9223372036854775808',
  ]) {
    expect(ask('decimal', text)).toBe(text);
  }
  expect(ask('decimal', '12.9')).toBe('12');
  expect(ask('decimal', 'x')).toBe('0');
});

test('only A to Z become lower case', () => {
  expect(ask('lower', 'Application/JSON; İÄZ@[')).toBe('application/json; İÄz@[');
  expect(ask('lower', '')).toBe('');
});

test('an outcome with everything in it is the document that the contract names', () => {
  expect(JSON.parse(ask('full outcome', '{"a":[1.10]}'))).toEqual({
    ok: {
      events: [
        {
          event_type: 'a.b',
          id: 'id "1"',
          idempotency_key: 'key',
          timestamp: 1_790_000_000_000,
          metadata: { by: 'probe' },
          payload: { a: [1.1] },
        },
        { payload: null },
      ],
      response: { status: 201, headers: { 'content-type': 'text/plain', 'x-a': 'b' }, body: 'made "it"' },
    },
  });
  expect(ask('full outcome', '1.10')).toContain('"payload":1.10');
});
