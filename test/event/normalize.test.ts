import { describe, expect, test } from 'vitest';
import { type Event, MAX_HOPS } from '../../host/event/event.ts';
import { hexSource } from '../../host/event/hex-source.ts';
import { eventBounds, parseBoundedJson } from '../../host/event/json-bounds.ts';
import {
  eventIds,
  eventToJson,
  type NormalizeContext,
  normalizeDraft,
  normalizeDrafts,
} from '../../host/event/normalize.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';

const bounds = { ...eventBounds(DEFAULT_LIMITS), maxDrafts: DEFAULT_LIMITS.maxDraftsPerCall };
const NOW = 1_764_000_000_000;
const TRACE = '0af7651916cd43dd8448eb211c80319c';

function context(more: Partial<NormalizeContext> = {}): NormalizeContext {
  const ids = eventIds(hexSource((bytes) => bytes.fill(0)));
  return { source: 'events-webhook', eventType: null, receivedAt: NOW, ids, ...more };
}

const http = {
  method: 'POST',
  path: '/events/webhook/acme/order.created',
  headers: { traceparent: `00-${TRACE}-b7ad6b7169203331-01` },
  query: {},
};

const parent: Event = {
  id: 'parent',
  event_type: 'order.created',
  source: 'events-webhook',
  timestamp: NOW,
  payload: null,
  metadata: { trace_id: TRACE, correlation_id: 'first', hops: 3 },
};

describe('an event', () => {
  test('is written with its keys in the order of the contract', () => {
    const event = normalizeDraft({ payload: { a: 1 }, event_type: 'order.created', id: 'evt_1' }, context());
    expect(eventToJson(event, bounds)).toBe(
      `{"id":"evt_1","event_type":"order.created","source":"events-webhook","timestamp":${NOW},"payload":{"a":1},` +
        `"metadata":{"trace_id":"${'0'.repeat(32)}","correlation_id":"evt_1","hops":0}}`,
    );
  });

  test('gets an id of version 7 and the time of its arrival when the draft gives none', () => {
    const event = normalizeDraft(
      { payload: null, id: null, timestamp: null, metadata: null },
      context({ eventType: 'a' }),
    );
    expect(event.id).toBe('019ab697-e800-7000-8000-000000000000');
    expect(event.timestamp).toBe(NOW);
    expect(event.event_type).toBe('a');
  });

  test('takes the type of the draft before that of the path', () => {
    expect(normalizeDraft({ event_type: 'b', payload: 1 }, context({ eventType: 'a' })).event_type).toBe('b');
  });

  test('of outside begins a correlation, and goes on with the trace of the request', () => {
    const { id, metadata } = normalizeDraft(
      { payload: 1 },
      context({ eventType: 'a', http, schedule: 'flow:x/0' }),
    );
    expect(metadata).toEqual({ trace_id: TRACE, correlation_id: id, hops: 0, http, schedule: 'flow:x/0' });
  });

  test('that a run publishes carries its cause', () => {
    const { metadata } = normalizeDraft({ payload: 1 }, context({ eventType: 'a', cause: parent }));
    expect(metadata).toEqual({ trace_id: TRACE, correlation_id: 'first', causation_id: 'parent', hops: 4 });
  });

  test('whose cause has no metadata is one hop from outside', () => {
    const { metadata: _, ...bare } = parent;
    const { metadata } = normalizeDraft({ payload: 1 }, context({ eventType: 'a', cause: bare }));
    expect(metadata).toMatchObject({ correlation_id: 'parent', causation_id: 'parent', hops: 1 });
  });

  test(`that would pass ${MAX_HOPS} hops is refused`, () => {
    const cause = (hops: number): Event => ({
      ...parent,
      metadata: { trace_id: TRACE, correlation_id: 'first', hops },
    });
    expect(normalizeDraft({ payload: 1 }, context({ eventType: 'a', cause: cause(15) })).metadata?.hops).toBe(
      16,
    );
    expect(() => normalizeDraft({ payload: 1 }, context({ eventType: 'a', cause: cause(16) }))).toThrow(
      expect.objectContaining({ code: 'too_many_hops' }),
    );
  });

  test('keeps what the guest says in free metadata, and ignores what it says in the keys of the host', () => {
    const metadata = {
      trace_id: 'forged',
      correlation_id: 'forged',
      causation_id: 'forged',
      hops: -100,
      idempotency_key: 'forged',
      http: { headers: { authorization: 'forged' } },
      schedule: 'forged',
      delivery: 'd-1',
    };
    const event = normalizeDraft({ event_type: 'a', id: 'x', payload: 1, metadata }, context());
    expect(event.metadata).toEqual({
      trace_id: '0'.repeat(32),
      correlation_id: 'x',
      hops: 0,
      delivery: 'd-1',
    });
  });

  test('is not changed by metadata named __proto__', () => {
    const draft: unknown = JSON.parse(
      '{"event_type":"a","id":"x","payload":1,"metadata":{"__proto__":{"hops":9},"constructor":1}}',
    );
    const event = normalizeDraft(draft, context());
    expect(Object.getPrototypeOf(event.metadata)).toBe(Object.prototype);
    expect(eventToJson(event, bounds)).toContain('"hops":0,"__proto__":{"hops":9},"constructor":1}');
  });
});

describe('B4 an idempotency key', () => {
  const keyed = (key: string, more: Partial<NormalizeContext> = {}) =>
    normalizeDraft({ payload: 1, idempotency_key: key }, context({ eventType: 'a', ...more }));

  test('gives the same id each time, and another for another key, type or provider', () => {
    expect(keyed('k').id).toBe(keyed('k').id);
    expect(keyed('k').id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const ids = [keyed('k'), keyed('l'), keyed('k', { eventType: 'b' }), keyed('k', { source: 'other' })];
    expect(new Set(ids.map((event) => event.id)).size).toBe(4);
    expect(keyed('k').metadata?.idempotency_key).toBe('k');
  });

  test('leaves an id that is given as it is', () => {
    expect(
      normalizeDraft({ id: 'x', payload: 1, idempotency_key: 'k' }, context({ eventType: 'a' })).id,
    ).toBe('x');
  });
});

describe('a draft is refused', () => {
  test.each<[string, unknown, string]>([
    ['that is null', null, 'The event draft: an object was expected; null came.'],
    ['that is a list', [], 'an object was expected; a list came'],
    ['that is a string', 'x', 'an object was expected; the string "x" came'],
    ['that is nothing', undefined, 'an object was expected; nothing came'],
    ['without payload', {}, 'payload is missing'],
    ['with a source', { payload: 1, source: 'other' }, 'the host sets it'],
    ['with an unknown key', { payload: 1, typ: 'a' }, 'the key "typ" is unknown. Known here: id, event_type'],
    [
      'with a key named __proto__',
      JSON.parse('{"payload":1,"__proto__":1}'),
      'the key "__proto__" is unknown',
    ],
    ['with an empty id', { payload: 1, id: '' }, 'id: 1 to 128 printable ASCII characters'],
    ['with a space in its id', { payload: 1, id: 'a b' }, 'id: 1 to 128'],
    ['with a line feed after its id', { payload: 1, id: 'a\n' }, 'id: 1 to 128'],
    ['with an id of 129', { payload: 1, id: 'a'.repeat(129) }, 'id: 1 to 128'],
    ['with a number as id', { payload: 1, id: 7 }, 'id: a string was expected; the number 7 came'],
    [
      'with a wrong type',
      { payload: 1, event_type: 'a..b' },
      'event_type: The event type "a..b" has an empty',
    ],
    [
      'with a type that is no string',
      { payload: 1, event_type: {} },
      'event_type: a string was expected; an object',
    ],
    ['with a time before 1970', { payload: 1, timestamp: -1 }, 'timestamp: whole milliseconds'],
    ['with half a millisecond', { payload: 1, timestamp: 0.5 }, 'timestamp: whole milliseconds'],
    ['with microseconds', { payload: 1, timestamp: NOW * 1000 }, 'timestamp: whole milliseconds'],
    ['with an endless time', { payload: 1, timestamp: Infinity }, 'timestamp: whole milliseconds'],
    ['with a text as time', { payload: 1, timestamp: '2026' }, 'timestamp: a number was expected'],
    ['with an empty key', { payload: 1, idempotency_key: '' }, 'idempotency_key: 1 to 1024'],
    ['with a long key', { payload: 1, idempotency_key: 'k'.repeat(1025) }, 'idempotency_key: 1 to 1024'],
    [
      'with a list as key',
      { payload: 1, idempotency_key: [] },
      'idempotency_key: a string was expected; a list',
    ],
    [
      'with metadata that is a list',
      { payload: 1, metadata: [] },
      'metadata: an object was expected; a list',
    ],
    ['with metadata that is a text', { payload: 1, metadata: 'x' }, 'metadata: an object was expected'],
  ])('%s', (_, draft, message) => {
    const normalize = () => normalizeDraft(draft, context({ eventType: 'a' }));
    expect(normalize).toThrow(expect.objectContaining({ code: 'event_invalid' }));
    expect(normalize).toThrow(message);
  });

  test('of a type that the host keeps for itself, but what the host says of an event stands', () => {
    const normalize = (eventType: string) =>
      normalizeDraft({ payload: 1, event_type: eventType }, context({ eventType: 'a' }));
    expect(() => normalize('host.dead_letter')).toThrow(
      expect.objectContaining({ code: 'event_type_reserved' }),
    );
    expect(normalize('hostile.host').event_type).toBe('hostile.host');
    expect(normalizeDraft({ payload: 1 }, context({ eventType: 'host.call' })).event_type).toBe('host.call');
  });

  test('without a type where nothing else gives one', () => {
    expect(() => normalizeDraft({ payload: 1 }, context())).toThrow('event_type is missing');
  });
});

describe('the drafts of a call', () => {
  test('become texts with the id and the type beside them', () => {
    const texts = normalizeDrafts(
      [{ payload: 1 }, { payload: 2, event_type: 'b' }],
      context({ eventType: 'a' }),
      bounds,
    );
    expect(texts.map(({ type }) => type)).toEqual(['a', 'b']);
    for (const { id, type, json } of texts) expect(JSON.parse(json)).toMatchObject({ id, event_type: type });
    expect(normalizeDrafts([], context(), bounds)).toEqual([]);
  });

  test('are refused as a whole, naming the one that is wrong', () => {
    expect(() => normalizeDrafts([{ payload: 1 }, { id: '' }], context({ eventType: 'a' }), bounds)).toThrow(
      'Draft 1: id:',
    );
  });

  test('are refused when they are no list, or too many', () => {
    expect(() => normalizeDrafts({ payload: 1 }, context(), bounds)).toThrow(
      'A list of event drafts was expected',
    );
    expect(() => normalizeDrafts(Array(1001).fill({ payload: 1 }), context(), bounds)).toThrow(
      '1001 event drafts came from one call; at most 1000 are allowed.',
    );
  });

  test('are refused when one is too large as an event, though it was not as a draft', () => {
    const draft = { payload: 'a'.repeat(bounds.maxBytes - 60), event_type: 'a' };
    expect(() => normalizeDrafts([draft], context(), bounds)).toThrow(
      expect.objectContaining({ code: 'json_too_large' }),
    );
  });

  test('give only events that every later reader with the same bounds accepts', () => {
    const payload: unknown = JSON.parse('['.repeat(63) + ']'.repeat(63));
    const [text] = normalizeDrafts([{ payload, id: 'x', event_type: 'a' }], context(), bounds);
    expect(parseBoundedJson(text?.json ?? '', bounds)).toMatchObject({ id: 'x' });
    expect(() => normalizeDrafts([{ payload: [payload], event_type: 'a' }], context(), bounds)).toThrow(
      expect.objectContaining({ code: 'json_too_deep' }),
    );
  });

  test('reach storage as well-formed Unicode', () => {
    const [text] = normalizeDrafts([{ payload: '\ud800', event_type: 'a' }], context(), bounds);
    expect(text?.json.isWellFormed()).toBe(true);
  });
});
