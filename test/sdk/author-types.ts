import type { HttpRequest, SmsMessage, Timer, TypedDraft } from '../../sdk/typescript/index.ts';

/** What an author gets wrong is an error of the compiler. Nothing runs this: the type check of the repository holds it, line by line. */

const url = 'https://api.example.com/';
const event = { event_type: 'a.b', payload: null };

export const right: readonly (HttpRequest | Timer | TypedDraft | SmsMessage)[] = [
  { url },
  { url, method: 'POST', body: 'text' },
  { url, method: 'PROPFIND', body: new Uint8Array(1), timeout_ms: 100, auth: 'KEY' },
  { url, json: { a: [1, null] }, headers: { accept: '*/*' } },
  { id: 't', at: 1, event },
  { id: 't', after_ms: 1, every_ms: 1000, event },
  { event_type: 'a.b', payload: { a: 1 }, idempotency_key: 'k' },
  { to: '+1', body: 'x', status_callback: true },
];

// @ts-expect-error: no URL
export const withoutUrl: HttpRequest = { method: 'GET' };
// @ts-expect-error: a method is in capitals
export const lowerMethod: HttpRequest = { url, method: 'get' };
// @ts-expect-error: two bodies
export const twoBodies: HttpRequest = { url, body: 'x', json: 1 };
// @ts-expect-error: a body is text or bytes; an object belongs into `json`
export const objectBody: HttpRequest = { url, body: { a: 1 } };
// @ts-expect-error: what is sent as JSON has to be JSON
export const noJson: HttpRequest = { url, json: new Date() };
// @ts-expect-error: a key that is unknown
export const unknownKey: HttpRequest = { url, timeout: 1 };
// @ts-expect-error: a header is text
export const numberHeader: HttpRequest = { url, headers: { 'x-a': 1 } };

// @ts-expect-error: a draft that is published names its type
export const untyped: TypedDraft = { payload: 1 };
// @ts-expect-error: a draft has a payload
export const empty: TypedDraft = { event_type: 'a' };

// @ts-expect-error: neither `at` nor `after_ms`
export const never: Timer = { id: 't', event };
// @ts-expect-error: both
export const both: Timer = { id: 't', at: 1, after_ms: 1, event };
// @ts-expect-error: the host makes the id of a timer's event
export const ownId: Timer = { id: 't', at: 1, event: { ...event, id: 'x' } };
// @ts-expect-error: and its key
export const ownKey: Timer = { id: 't', at: 1, event: { ...event, idempotency_key: 'x' } };

// @ts-expect-error: an SMS goes to a number
export const noNumber: SmsMessage = { body: 'x' };
