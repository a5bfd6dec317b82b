import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Guest } from './guest.ts';

const PACK = 'packs/events-webhook';
let webhook: Guest;
beforeAll(async () => {
  webhook = await Guest.of(PACK, '{}');
});

interface Request {
  handler: string | null;
  event_type: string | null;
  headers: Record<string, string>;
  body: string;
  body_encoding: 'utf8' | 'base64';
}

function requestText(parts: Partial<Request>): string {
  return JSON.stringify({
    handler: null,
    event_type: 'order.created',
    method: 'POST',
    path: '/events/webhook/demo/order.created',
    query: { body: 'not this one' },
    headers: {},
    body: '',
    body_encoding: 'utf8',
    received_at: 1_790_000_000_000,
    ...parts,
  });
}

interface Answer {
  ok?: { events: { event_type: string; payload: unknown; idempotency_key?: string }[] };
  err?: { code: string; message: string; retryable: boolean };
}

function ingest(parts: Partial<Request>, guest = webhook): Answer {
  return JSON.parse(guest.call('ingest', requestText(parts)));
}

function payloadOf(
  contentType: string | undefined,
  body: string,
  encoding: 'utf8' | 'base64' = 'utf8',
): unknown {
  const headers: Record<string, string> = contentType === undefined ? {} : { 'content-type': contentType };
  const answer = ingest({ headers, body, body_encoding: encoding });
  return answer.err ?? answer.ok?.events[0]?.payload;
}

const refusal = (code: string, message: string): unknown => ({ code, message, retryable: false });

describe('JSON', () => {
  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    ' application/json ;x',
    'application/vnd.github+json',
    'application/cloudevents+json; charset=UTF-8',
    'text/json',
  ])('a body of type %s is the payload', (type) => {
    expect(payloadOf(type, '{"a":[1,"é\\u00e9 \\"x\\""]}')).toEqual({ a: [1, 'éé "x"'] });
  });

  test('the body is passed on as it stands, digits, spaces and escapes included', () => {
    const body = '{ "big": 12345678901234567890.10, "same": 1, "same": 2,\n"text": "\\u0041\\/" }';
    const answer = webhook.call(
      'ingest',
      requestText({ headers: { 'content-type': 'application/json' }, body }),
    );
    expect(answer).toBe(`{"ok":{"events":[{"event_type":"order.created","payload":${body}}]}}`);
  });

  test('any JSON value comes through', () => {
    fc.assert(
      fc.property(fc.json(), (body) => {
        expect(payloadOf('application/json', body)).toEqual(JSON.parse(body));
        expect(payloadOf(undefined, body)).toEqual(JSON.parse(body));
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ['{"a":1,}', 'The body was expected to be JSON, got "}" at position 7 (line 1, column 8).'],
    ['{\n  "a": x\n}', 'The body was expected to be JSON, got "x" at position 9 (line 2, column 8).'],
    ['{"a"', 'The body was expected to be JSON, got its end at position 4 (line 1, column 5).'],
    [' ', 'The body was expected to be JSON, got its end at position 1 (line 1, column 2).'],
    ['[1 "a"]', 'The body was expected to be JSON, got a quotation mark at position 3 (line 1, column 4).'],
    [
      '"\u0001"',
      'The body was expected to be JSON, got the code unit "\\u0001" at position 1 (line 1, column 2).',
    ],
    [
      '\ufeff{}',
      'The body was expected to be JSON, got the code unit "\ufeff" at position 0 (line 1, column 1).',
    ],
    ['a=1&b=2', 'The body was expected to be JSON, got "a" at position 0 (line 1, column 1).'],
  ])('%j is refused with its place', (body, message) => {
    expect(payloadOf('application/json', body)).toEqual(refusal('json_invalid', message));
  });

  test('a body that nests deeper than 64 levels is refused', () => {
    const body = '['.repeat(65) + ']'.repeat(65);
    const message =
      'The body was expected to nest at most 64 levels deep, got more at position 64 (line 1, column 65).';
    expect(payloadOf('application/json', body)).toEqual(refusal('json_too_deep', message));
    expect(payloadOf('application/json', body.slice(1, -1))).toEqual(JSON.parse(body.slice(1, -1)));
  });

  test('bytes that are not UTF-8 are refused', () => {
    expect(payloadOf('application/json', '/w==', 'base64')).toMatchObject({ code: 'json_invalid' });
  });

  test('a payload cannot break out of its place in the outcome', () => {
    for (const body of [
      '1},{"payload":2',
      '1}]},"response":{"status":200}}',
      '"a","id":"b"',
      '{}{}',
      ']',
      '"',
    ]) {
      expect(payloadOf('application/json', body)).toMatchObject({ code: 'json_invalid' });
      expect(payloadOf('text/plain', body)).toBe(body);
    }
  });

  test('a body of 1 MiB comes through, again and again, and memory stays', () => {
    const guest = webhook;
    const body = `{"rows":[${Array.from({ length: 20_000 }, (_, row) => `{"row":${row},"text":"a \\"quoted\\" word, and more"}`).join(',')}]}`;
    expect(body.length).toBeGreaterThan(900_000);
    const text = requestText({ headers: { 'content-type': 'application/json' }, body });
    const expected = guest.call('ingest', text);
    expect(JSON.parse(expected).ok.events[0].payload).toEqual(JSON.parse(body));
    for (let round = 0; round < 20; round += 1) guest.call('ingest', text);
    const settled = guest.memoryBytes;
    expect(settled).toBeLessThan(32 * 1024 * 1024);
    for (let round = 0; round < 20; round += 1) expect(guest.call('ingest', text) === expected).toBe(true);
    expect(guest.memoryBytes).toBe(settled);
  });
});

describe('other bodies', () => {
  test('no body is null, whatever its type', () => {
    for (const type of [undefined, 'application/json', 'text/plain', 'image/png'])
      expect(payloadOf(type, '')).toBeNull();
  });

  test('text is a string', () => {
    expect(payloadOf('text/plain; charset=utf-8', '{"a":1}')).toBe('{"a":1}');
    expect(payloadOf('text/html', '<a href="x">\u2028 é 😀\u0000</a>')).toBe(
      '<a href="x">\u2028 é 😀\u0000</a>',
    );
  });

  test('any text, lone surrogates included, comes through', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 300 }), (units) => {
        const body = String.fromCharCode(...units);
        expect(payloadOf('text/plain', body)).toBe(body);
      }),
      { numRuns: 500 },
    );
  });

  test('a body of another type is described', () => {
    expect(payloadOf('application/xml', '<a/>')).toEqual({ content_type: 'application/xml', body: '<a/>' });
    expect(payloadOf('image/"png"', 'iVBORw==', 'base64')).toEqual({
      content_type: 'image/"png"',
      body_base64: 'iVBORw==',
    });
    expect(payloadOf('text/plain', '/w==', 'base64')).toEqual({
      content_type: 'text/plain',
      body_base64: '/w==',
    });
  });

  test('a body without a type is JSON if it can be', () => {
    expect(payloadOf(undefined, '[1]')).toEqual([1]);
    expect(payloadOf(undefined, 'hello')).toEqual({ content_type: null, body: 'hello' });
    expect(payloadOf(undefined, '/w==', 'base64')).toEqual({ content_type: null, body_base64: '/w==' });
  });
});

describe('forms', () => {
  const FORM = 'application/x-www-form-urlencoded';

  test.each([
    ['a=1&b=two', { a: '1', b: 'two' }],
    ['a=1&a=2&b=3&a=', { a: ['1', '2', ''], b: '3' }],
    ['a+b=c+d%20e%2B', { 'a b': 'c d e+' }],
    ['a', { a: '' }],
    ['=x', { '': 'x' }],
    ['a=b=c', { a: 'b=c' }],
    ['&&a=1&', { a: '1' }],
    ['&', {}],
    ['%C3%A9=%F0%9F%98%80é', { é: '😀é' }],
    ['a=%&b=%4&c=%zz&d=%E', { a: '%', b: '%4', c: '%zz', d: '%E' }],
    ['%80é=%C3é', { '\ufffdé': '\ufffdé' }],
    ['%22=%5C%00', { '"': '\\\0' }],
    ['payload=%7B%22a%22%3A1%7D', { payload: '{"a":1}' }],
  ])('%s', (body, fields) => {
    expect(payloadOf(FORM, body)).toEqual(fields);
    expect(payloadOf(`${FORM}; charset=UTF-8`, body)).toEqual(fields);
  });

  test('a field named __proto__ is a field', () => {
    expect(
      webhook.call('ingest', requestText({ headers: { 'content-type': FORM }, body: '__proto__=1' })),
    ).toContain('"payload":{"__proto__":"1"}');
  });

  // Node's URLSearchParams is wrong where a broken sequence is followed by a character beyond ASCII as it stands.
  test('it decodes as URLSearchParams does, broken UTF-8 included', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '&',
        '=',
        '+',
        '%',
        'a',
        '%C3',
        '%A9',
        '%E2',
        '%82',
        '%AC',
        '%F0',
        '%9F',
        '%98',
        '%80',
        '%ED',
        '%A0',
        '%FF',
        '%C0',
        '%f4',
        '%90',
        '%0',
      ),
      fc.nat(255).map((byte) => `%${byte.toString(16).padStart(2, '0')}`),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 30 }), (pieces) => {
        const body = pieces.join('');
        const expected = new Map<string, string | string[]>();
        for (const [name, value] of new URLSearchParams(body)) {
          const known = expected.get(name);
          expected.set(name, known === undefined ? value : [known, value].flat());
        }
        expect(new Map(Object.entries(payloadOf(FORM, body) as object))).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
  });

  test('500 fields are read and 501 are refused', () => {
    const body = Array.from({ length: 500 }, (_, index) => `f${index}=${index}`).join('&');
    expect(Object.keys(payloadOf(FORM, body) as object)).toHaveLength(500);
    expect(payloadOf(FORM, `${body}&g=1`)).toEqual(
      refusal('form_too_long', 'The form was expected to have at most 500 fields, got more.'),
    );
  });
});

describe('the event’s type', () => {
  const typeOf = (parts: Partial<Request>, guest = webhook): unknown => {
    const answer = ingest(parts, guest);
    return answer.err?.code ?? answer.ok?.events[0]?.event_type;
  };

  test('is the short path’s; else the config’s; else the handler', async () => {
    const configured = await Guest.of(PACK, '{"event_type":"stripe.event"}');
    expect(typeOf({ event_type: 'a.b' }, configured)).toBe('a.b');
    expect(typeOf({ event_type: null, handler: 'c.d' }, configured)).toBe('stripe.event');
    expect(typeOf({ event_type: null, handler: 'c.d' })).toBe('c.d');
    expect(typeOf({ event_type: null, handler: 'c.d' }, await Guest.of(PACK))).toBe('c.d');
  });

  test.each(['a', 'a.b', '0-_.x', 'result.a', 'results', `${'a.'.repeat(7)}a`, 'a'.repeat(128)])(
    '%s is one',
    (handler) => {
      expect(typeOf({ event_type: null, handler })).toBe(handler);
    },
  );

  test.each([
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'A',
    'a b',
    'a/b',
    'é',
    'a.*',
    '>',
    'result',
    'a.result',
    `${'a.'.repeat(8)}a`,
    'a'.repeat(129),
    '"',
    'a\u0000',
  ])('%j is none', (handler) => {
    expect(typeOf({ event_type: null, handler })).toBe('event_type_invalid');
  });

  test('a config that is wrong is named', async () => {
    const configured = await Guest.of(PACK, '{"event_type":"Stripe Event"}');
    expect(ingest({ event_type: null, handler: 'c.d' }, configured).err?.message).toBe(
      'The config\'s event_type was expected to be an event type (1 to 8 dot-separated tokens of a-z, 0-9, _ and -, at most 128 characters, the last token not "result"), got "Stripe Event".',
    );
  });

  test('a long wrong one is cut in the message', () => {
    expect(ingest({ event_type: null, handler: 'A'.repeat(5000) }).err?.message.length).toBeLessThan(350);
  });
});

describe('the idempotency key', () => {
  test('is the header’s', () => {
    expect(ingest({ headers: { 'idempotency-key': '"é 1"' } }).ok?.events[0]?.idempotency_key).toBe('"é 1"');
    expect(
      ingest({ headers: { 'idempotency-key': 'x'.repeat(1024) } }).ok?.events[0]?.idempotency_key,
    ).toHaveLength(1024);
  });

  test('is left out where the header is missing or empty', () => {
    expect(ingest({}).ok?.events[0]).not.toHaveProperty('idempotency_key');
    expect(ingest({ headers: { 'idempotency-key': '' } }).ok?.events[0]).not.toHaveProperty(
      'idempotency_key',
    );
  });

  test('is refused past 1,024 characters', () => {
    expect(ingest({ headers: { 'idempotency-key': 'x'.repeat(1025) } }).err).toEqual(
      refusal(
        'idempotency_key_invalid',
        'The header idempotency-key was expected to be at most 1024 characters long, got 1025.',
      ),
    );
  });
});

test('a header’s value that looks like a key of the request changes nothing', () => {
  const answer = ingest({
    headers: { x: '","body":"stolen', 'content-type': 'text/plain' },
    body: '"body":1',
  });
  expect(answer.ok?.events[0]?.payload).toBe('"body":1');
});

test('memory stays flat over 50,000 calls of every kind', async () => {
  const guest = await Guest.of(PACK, '{}');
  const requests = [
    requestText({
      headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
      body: '{"a":"b\\"c"}',
    }),
    requestText({
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'a=1&b=%C3%A9&a=2',
    }),
    requestText({ headers: { 'content-type': 'text/plain' }, body: 'hello "you"' }),
    requestText({ headers: { 'content-type': 'application/json' }, body: '{"a":' }),
    requestText({ event_type: null, handler: 'Not A Type' }),
  ];
  const round = (): void => {
    for (const request of requests) guest.call('ingest', request);
  };
  for (let count = 0; count < 1000; count += 1) round();
  const settled = guest.memoryBytes;
  for (let count = 0; count < 10_000; count += 1) round();
  expect(guest.memoryBytes).toBe(settled);
});
