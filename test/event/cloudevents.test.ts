import { describe, expect, test } from 'vitest';
import { cloudEventMode, readCloudEvents, toBinary, toStructured } from '../../host/event/cloudevents.ts';
import type { Event } from '../../host/event/event.ts';
import { eventIds, normalizeDraft } from '../../host/event/normalize.ts';

const bounds = { maxBytes: 10_000, maxDepth: 64, maxElements: 1000 };

const event: Event = {
  id: 'evt_1',
  event_type: 'order.created',
  source: 'flow:orders',
  timestamp: 1_764_000_000_000,
  payload: { id: 42, note: '€' },
  metadata: {
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    correlation_id: 'evt_0',
    causation_id: 'evt_0',
    hops: 2,
    idempotency_key: 'key €"1"',
    http: { method: 'POST', path: '/', headers: {}, query: {} },
    region: 'eu',
    'not-a-name': 1,
    half: 0.5,
    id: 'mine',
  },
};

const minimal = { specversion: '1.0', id: '1', source: '/shop', type: 'order.created' };
const structured = (value: unknown) =>
  readCloudEvents('structured', {}, { text: JSON.stringify(value), encoding: 'utf8' }, bounds)[0];

describe('an event going out', () => {
  test('structured, is one JSON object with its attributes and data', () => {
    const { headers, body } = toStructured(event);
    expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(JSON.parse(body)).toEqual({
      specversion: '1.0',
      id: 'evt_1',
      source: 'flow:orders',
      type: 'order.created',
      time: '2025-11-24T16:00:00.000Z',
      datacontenttype: 'application/json',
      traceid: '0af7651916cd43dd8448eb211c80319c',
      correlationid: 'evt_0',
      causationid: 'evt_0',
      hops: 2,
      idempotencykey: 'key €"1"',
      region: 'eu',
      data: { id: 42, note: '€' },
    });
  });

  test('binary, has percent-encoded headers and its payload as body', () => {
    const { headers, body } = toBinary(event);
    expect(body).toBe('{"id":42,"note":"€"}');
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': 'evt_1',
      'ce-time': '2025-11-24T16:00:00.000Z',
      'ce-idempotencykey': 'key%20%E2%82%AC%221%22',
      'ce-hops': '2',
    });
  });

  test('puts no line end and no byte past ASCII into a header', () => {
    const { headers } = toBinary({
      ...event,
      metadata: { ...event.metadata, note: 'a\r\nb\ud800 %' } as never,
    });
    expect(headers['ce-note']).toBe('a%0D%0Ab%EF%BF%BD%20%25');
  });

  test('without metadata goes out too', () => {
    const { metadata: _, ...bare } = event;
    expect(JSON.parse(toStructured(bare).body)).toMatchObject({ id: 'evt_1', type: 'order.created' });
  });
});

describe('the way a request carries events', () => {
  test.each([
    [{ 'content-type': 'application/cloudevents+json' }, 'structured'],
    [{ 'content-type': 'Application/CloudEvents+JSON; charset=utf-8' }, 'structured'],
    [{ 'content-type': 'application/cloudevents-batch+json' }, 'batch'],
    [{ 'content-type': 'application/json', 'ce-specversion': '1.0' }, 'binary'],
    [{ 'content-type': 'application/json' }, null],
    [{}, null],
  ])('%j: %s', (headers, mode) => expect(cloudEventMode(headers)).toBe(mode));
});

describe('an event coming in', () => {
  test('with nothing but what is required becomes a draft', () => {
    expect(structured(minimal)).toEqual({
      event_type: 'order.created',
      idempotency_key: '/shop 1',
      payload: null,
      metadata: { cloudevent: { id: '1', source: '/shop', type: 'order.created' } },
    });
  });

  test('keeps extensions, cuts the time to milliseconds, lowers its type', () => {
    const draft = structured({
      ...minimal,
      type: 'Shop.Order.Created',
      time: '2025-11-24T17:00:00.123456+01:00',
      subject: 'order 42',
      dataschema: null,
      region: 'eu',
      attempt: 3,
      last: false,
      gone: null,
      data: [1],
    });
    expect(draft).toMatchObject({
      event_type: 'shop.order.created',
      timestamp: 1_764_000_000_123,
      payload: [1],
    });
    expect(draft?.metadata).toEqual({
      region: 'eu',
      attempt: 3,
      last: false,
      cloudevent: { id: '1', source: '/shop', type: 'Shop.Order.Created', subject: 'order 42' },
    });
  });

  test('B4 twice is one event, and the same id of another source is another', () => {
    const ids = eventIds();
    const idOf = (value: unknown) =>
      normalizeDraft(structured(value), { source: 'webhook', eventType: null, receivedAt: 0, ids }).id;
    expect(idOf(minimal)).toBe(idOf({ ...minimal, data: 1 }));
    expect(idOf(minimal)).not.toBe(idOf({ ...minimal, source: '/other' }));
  });

  test('with bytes keeps them as base64', () => {
    expect(structured({ ...minimal, data_base64: 'AP8=' })).toMatchObject({
      payload: 'AP8=',
      metadata: { cloudevent: { encoding: 'base64' } },
    });
  });

  test('binary, is read from its headers', () => {
    const { headers, body } = toBinary(event);
    const [draft] = readCloudEvents('binary', headers, { text: body, encoding: 'utf8' }, bounds);
    expect(draft).toMatchObject({
      event_type: 'order.created',
      timestamp: event.timestamp,
      payload: event.payload,
      metadata: {
        idempotencykey: 'key €"1"',
        cloudevent: { id: 'evt_1', source: 'flow:orders', datacontenttype: 'application/json' },
      },
    });
  });

  test.each<[string, string, 'utf8' | 'base64', unknown]>([
    ['text/plain', 'hello', 'utf8', 'hello'],
    ['application/vnd.shop+json', '{"a":1}', 'utf8', { a: 1 }],
    ['application/json', '', 'utf8', null],
    ['image/png', 'AP8=', 'base64', 'AP8='],
  ])('binary with %s has the payload %j', (contentType, text, encoding, payload) => {
    const headers = {
      'content-type': contentType,
      'ce-specversion': '1.0',
      'ce-id': '"100%"',
      'ce-source': '/a%20b',
      'ce-type': 'a',
    };
    const [draft] = readCloudEvents('binary', headers, { text, encoding }, bounds);
    expect(draft?.payload).toEqual(payload);
    expect(draft?.idempotency_key).toBe('/a b 100%');
  });

  test('in a batch becomes a draft each', () => {
    const text = JSON.stringify([minimal, { ...minimal, id: '2' }]);
    const drafts = readCloudEvents('batch', {}, { text, encoding: 'utf8' }, bounds);
    expect(drafts.map((draft) => draft.idempotency_key)).toEqual(['/shop 1', '/shop 2']);
  });
});

describe('an event coming in is refused', () => {
  test.each<[string, unknown, string]>([
    ['that is a list', [], 'an event is a JSON object'],
    ['of another version', { ...minimal, specversion: '0.3' }, 'specversion: "1.0" was expected; "0.3" came'],
    ['without version', { id: '1' }, 'specversion: "1.0" was expected; nothing came'],
    ['without id', { ...minimal, id: undefined }, 'id: a string with something in it'],
    ['with an empty source', { ...minimal, source: '' }, 'source: a string with something in it'],
    [
      'with a number as type',
      { ...minimal, type: 1 },
      'type: a string with something in it was expected; "1" came',
    ],
    ['with a time that is none', { ...minimal, time: 'yesterday' }, 'time: an RFC 3339 instant'],
    ['with a day that is none', { ...minimal, time: '2025-13-01T00:00:00Z' }, 'time: an RFC 3339 instant'],
    ['of before 1970', { ...minimal, time: '1969-01-01T00:00:00Z' }, 'time: an RFC 3339 instant'],
    ['with a capital in a name', { ...minimal, traceId: 'x' }, 'the attribute name "traceId"'],
    ['with a key named __proto__', { ...minimal, ['__proto__']: 'x' }, 'the attribute name "__proto__"'],
    [
      'with an object as attribute',
      { ...minimal, extra: {} },
      'extra: a string, a boolean or a 32-bit integer',
    ],
    ['with a wide integer', { ...minimal, extra: 2 ** 31 }, 'extra: a string, a boolean or a 32-bit integer'],
    ['with both kinds of data', { ...minimal, data: 1, data_base64: '' }, 'exclude each other'],
    ['with bytes that are no text', { ...minimal, data_base64: 1 }, 'data_base64 is a string'],
  ])('%s', (_, value, message) => {
    expect(() => structured(value)).toThrow(expect.objectContaining({ code: 'cloudevent_invalid' }));
    expect(() => structured(value)).toThrow(message);
  });

  test('when its body is not JSON, not UTF-8, or no batch', () => {
    const read =
      (mode: 'structured' | 'batch', text: string, encoding: 'utf8' | 'base64' = 'utf8') =>
      () =>
        readCloudEvents(mode, {}, { text, encoding }, bounds);
    expect(read('structured', '{')).toThrow(expect.objectContaining({ code: 'json_invalid' }));
    expect(read('structured', 'AP8=', 'base64')).toThrow('the body is not UTF-8');
    expect(read('batch', '{}')).toThrow('a batch is a JSON array');
    expect(read('batch', JSON.stringify([minimal, 1]))).toThrow(
      'Event 1 of the batch: The CloudEvent cannot',
    );
    expect(read('batch', `[${'['.repeat(70)}`)).toThrow(expect.objectContaining({ code: 'json_too_deep' }));
  });
});
