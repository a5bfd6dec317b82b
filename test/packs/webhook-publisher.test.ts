import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadSchemaCompiler } from '../../host/sandbox/json-schema.ts';
import { buildAssemblyScript, Guest } from '../sdk/guest.ts';

let wasm: Uint8Array<ArrayBuffer>;
const asked: Record<string, unknown>[] = [];
let status = 200;

beforeAll(async () => {
  wasm = new Uint8Array(await buildAssemblyScript('packs/webhook-publisher'));
});
beforeEach(() => {
  asked.length = 0;
  status = 200;
});

function publish(input: unknown, config: unknown = { url: 'https://a.example/hook' }): unknown {
  const guest = new Guest(wasm, JSON.stringify(config), {
    http: {
      send: (request) => {
        asked.push(JSON.parse(request));
        return JSON.stringify({ ok: { status, headers: {}, body: '', body_encoding: 'utf8' } });
      },
    },
  });
  return JSON.parse(guest.call('invoke', 'publish', JSON.stringify(input)));
}

const EVENT = {
  id: 'tick:1.2',
  event_type: 'order.created',
  source: 'shop',
  timestamp: 1_795_522_801_007,
  payload: { n: [1] },
};
const INSTANT = '2026-11-24T12:20:01.007Z';

test('an event is posted to the config’s URL as Standard Webhooks has it, by an id that each attempt shares', () => {
  expect(publish({ event: EVENT })).toEqual({ ok: { status: 200, webhook_id: 'tick-1-2' } });
  const [{ body, ...request } = { body: '' }] = asked;
  expect(request).toEqual({
    method: 'POST',
    url: 'https://a.example/hook',
    headers: { 'content-type': 'application/json', 'webhook-id': 'tick-1-2' },
  });
  expect(JSON.parse(String(body))).toEqual({ type: 'order.created', timestamp: INSTANT, data: { n: [1] } });
});

test('it may go elsewhere, in another format, and with headers of its own', () => {
  const config = {
    url: 'https://a.example',
    format: 'event',
    headers: { 'x-a': '1', 'x-b': '2' },
    timeout_ms: 500,
  };
  publish({ event: EVENT, url: 'https://b.example', format: 'cloudevents', headers: { 'X-B': '3' } }, config);
  publish({ event: EVENT }, config);
  const [first, second] = asked;
  expect(first).toMatchObject({
    url: 'https://b.example',
    headers: { 'x-a': '1', 'X-B': '3', 'content-type': 'application/cloudevents+json' },
    timeout_ms: 500,
  });
  expect(JSON.parse(String(first?.body))).toEqual({
    specversion: '1.0',
    id: 'tick:1.2',
    source: 'shop',
    type: 'order.created',
    time: INSTANT,
    datacontenttype: 'application/json',
    data: { n: [1] },
  });
  expect(JSON.parse(String(second?.body))).toEqual(EVENT);
});

test('instants are right at the ends of months, in leap years and at the end of time', () => {
  const instants = [
    '1970-01-01T00:00:00.000Z',
    '2000-02-29T23:59:59.999Z',
    '2024-03-01T00:00:00.000Z',
    '2100-02-28T12:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
  ];
  for (const instant of instants) publish({ event: { ...EVENT, timestamp: Date.parse(instant) } });
  expect(asked.map(({ body }) => JSON.parse(String(body)).timestamp)).toEqual(instants);
});

describe('a receiver that answers', () => {
  test.each([
    [204, undefined, false],
    [299, undefined, false],
    [301, 'webhook_refused', false],
    [400, 'webhook_refused', false],
    [408, 'webhook_refused', true],
    [410, 'webhook_gone', false],
    [429, 'webhook_refused', true],
    [500, 'webhook_refused', true],
    [503, 'webhook_refused', true],
  ])('%i', (answered, code, retryable) => {
    status = answered;
    expect(publish({ event: EVENT })).toMatchObject(
      code === undefined ? { ok: { status: answered } } : { err: { code, retryable } },
    );
  });
});

const schema = '../../packs/webhook-publisher/schemas/publish.json';
const check = loadSchemaCompiler()({
  path: schema,
  text: readFileSync(new URL(schema, import.meta.url), 'utf8'),
});

test.each<[string, unknown, RegExp]>([
  ['nothing', null, /object/],
  ['no event', { url: 'https://a.example' }, /event/],
  ['an event that is a text', { event: 'e1' }, /event/],
  ['an event without an id', { event: { event_type: 'a', payload: 1 } }, /id/],
  ['an event without a type', { event: { id: 'e1', payload: 1 } }, /event_type/],
  ['an event without a payload', { event: { id: 'e1', event_type: 'a' } }, /payload/],
  ['an id that is a number', { event: { ...EVENT, id: 1 } }, /id/],
  ['an empty id', { event: { ...EVENT, id: '' } }, /id/],
  ['an id of 129 characters', { event: { ...EVENT, id: 'a'.repeat(129) } }, /id/],
  ['a type of 129 characters', { event: { ...EVENT, event_type: 'a'.repeat(129) } }, /event_type/],
  ['a source of 257 characters', { event: { ...EVENT, source: 'a'.repeat(257) } }, /source/],
  ['a time that is a text', { event: { ...EVENT, timestamp: '2026' } }, /timestamp/],
  ['a time past the year 9999', { event: { ...EVENT, timestamp: 253_402_300_800_000 } }, /timestamp/],
  ['a URL that is a list', { event: EVENT, url: ['https://a.example'] }, /url/],
  ['a URL of 2049 characters', { event: EVENT, url: `https://a/${'a'.repeat(2039)}` }, /url/],
  ['a format that is none', { event: EVENT, format: 'xml' }, /format/],
  ['a header that is a number', { event: EVENT, headers: { a: 1 } }, /headers/],
  [
    '51 headers',
    { event: EVENT, headers: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`a${n}`, ''])) },
    /headers/,
  ],
  ['a key that is unknown', { event: EVENT, uri: 'https://a.example' }, /uri/],
])('its schema keeps %s from it, by the name of the field', (_, input, message) => {
  expect(check(JSON.stringify(input))).toMatch(message);
});

test('line breaks, bidirectional and zero-width characters of an event are in its body alone, as they are', () => {
  const odd = 'a\r\nb: c\u202ed\u200be';
  expect(check(JSON.stringify({ event: { ...EVENT, id: odd, source: odd } }))).toBeUndefined();
  publish({ event: { ...EVENT, id: odd, source: odd, payload: odd }, format: 'cloudevents' });
  const [{ body, headers } = { body: '', headers: {} }] = asked;
  expect(headers).toEqual({ 'content-type': 'application/cloudevents+json', 'webhook-id': 'a--b--c-d-e' });
  expect(JSON.parse(String(body))).toMatchObject({ id: odd, source: odd, data: odd });
});

test('without a URL from anywhere nothing is sent', () => {
  expect(publish({ event: EVENT }, null)).toMatchObject({ err: { code: 'webhook_url_missing' } });
  expect(asked).toEqual([]);
});
