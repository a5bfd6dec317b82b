import type { Json } from '../../event/json.ts';
import { isE164, isMessagingService, isSenderName } from '../../grant/phone-number.ts';
import { below, DocumentReader, entry, type JsonMap } from '../vendor/document.ts';

/** Twilio's. */
const MAX_BODY_CHARACTERS = 1600;
const MAX_MEDIA = 10;
const MAX_VALIDITY_SECONDS = 36_000;
const MAX_URL_CHARACTERS = 2048;

const KEYS = [
  ...['to', 'from', 'messaging_service_sid', 'body', 'media_urls', 'content_sid', 'content_variables'],
  ...['status_callback', 'validity_period', 'send_at', 'schedule_type'],
];

const CONTENT = /^HX[0-9a-fA-F]{32}$/;
/** RFC 3339, section 5.6. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
/** All but line breaks and tabs: what a telephone shows as nothing, or acts upon. */
const CONTROL = /(?![\t\n\r])\p{Cc}/u;

/** A message, read strictly. */
export interface Message {
  readonly to: string;
  readonly from: string | null;
  readonly service: string | null;
  readonly media: readonly URL[];
  /** `granted`: the URL of the grant as it is. */
  readonly callback: URL | 'granted' | null;
  /** The parameters of the form that need no grant. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

const reader = new DocumentReader('twilio_invalid', 'The message');

/** @throws GtpackError `twilio_invalid` naming the field */
export function readMessage(text: string): Message {
  const written = reader.closed(reader.parse(text), '', KEYS);
  const to = reader.text(written.to, 'to');
  if (!isE164(to))
    throw reader.fault('to', 'is no number in E.164: "+", the country, and 7 to 15 digits in all');
  const message = {
    to,
    from: senderOf(written),
    service: serviceOf(written),
    media: mediaOf(written),
    callback: callbackOf(written.status_callback),
    parameters: [...contentOf(written), ...timingOf(written)],
  };
  const isEmpty = message.parameters.every(([name]) => name !== 'Body' && name !== 'ContentSid');
  if (isEmpty && message.media.length === 0)
    throw reader.fault('', 'has none of body, media_urls and content_sid');
  return message;
}

function senderOf({ from }: JsonMap): string | null {
  if (from === undefined) return null;
  const sender = reader.text(from, 'from');
  if (isSenderName(sender)) return sender;
  throw reader.fault('from', 'is no number in E.164, short code, or name of up to 11 letters and digits');
}

function serviceOf({ messaging_service_sid: sid }: JsonMap): string | null {
  if (sid === undefined) return null;
  const service = reader.text(sid, 'messaging_service_sid');
  if (isMessagingService(service)) return service;
  throw reader.fault('messaging_service_sid', 'is not "MG" and 32 hex digits');
}

function mediaOf({ media_urls: urls = [] }: JsonMap): URL[] {
  return reader.list(urls, 'media_urls', MAX_MEDIA).map((each, at) => {
    const url = urlOf(each, entry('media_urls', at));
    if (url.protocol !== 'https:') throw reader.fault(entry('media_urls', at), 'is no URL of https');
    return url;
  });
}

function callbackOf(callback: Json | undefined): Message['callback'] {
  if (callback === undefined || callback === false) return null;
  return callback === true ? 'granted' : urlOf(callback, 'status_callback');
}

function urlOf(json: Json, path: string): URL {
  const text = reader.line(json, path);
  const url = text.length > MAX_URL_CHARACTERS ? null : URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') {
    throw reader.fault(
      path,
      `is no absolute URL of at most ${MAX_URL_CHARACTERS} characters, without a user`,
    );
  }
  return url;
}

function contentOf({ body, content_sid, content_variables }: JsonMap): [string, string][] {
  const parameters: [string, string][] = [];
  if (body !== undefined) {
    const text = reader.text(body, 'body');
    if (CONTROL.test(text)) throw reader.fault('body', 'holds a control character');
    const length = [...text].length;
    if (length > MAX_BODY_CHARACTERS) {
      throw reader.fault('body', `is ${length} characters long; at most ${MAX_BODY_CHARACTERS} are sent`);
    }
    if (text !== '') parameters.push(['Body', text]);
  }
  if (content_sid !== undefined) {
    const sid = reader.text(content_sid, 'content_sid');
    if (!CONTENT.test(sid)) throw reader.fault('content_sid', 'is not "HX" and 32 hex digits');
    parameters.push(['ContentSid', sid]);
  }
  if (content_variables !== undefined) {
    if (content_sid === undefined)
      throw reader.fault('content_variables', 'has no meaning without content_sid');
    const variables = reader.map(content_variables, 'content_variables');
    for (const [key, value] of Object.entries(variables)) reader.text(value, below('content_variables', key));
    parameters.push(['ContentVariables', JSON.stringify(variables)]);
  }
  return parameters;
}

function timingOf(written: JsonMap): [string, string][] {
  const { validity_period, send_at, schedule_type, messaging_service_sid } = written;
  const parameters: [string, string][] = [];
  if (validity_period !== undefined) {
    const seconds = reader.whole(validity_period, 'validity_period', 1, MAX_VALIDITY_SECONDS);
    parameters.push(['ValidityPeriod', String(seconds)]);
  }
  if (send_at === undefined && schedule_type === undefined) return parameters;
  if (schedule_type !== 'fixed')
    throw reader.fault('schedule_type', 'was expected to be "fixed", with send_at');
  const instant = reader.text(send_at, 'send_at');
  if (!INSTANT.test(instant) || Number.isNaN(Date.parse(instant))) {
    throw reader.fault('send_at', 'is no instant such as "2026-01-31T12:00:00Z"');
  }
  if (messaging_service_sid === undefined) throw reader.fault('send_at', 'needs a messaging_service_sid');
  return [...parameters, ['SendAt', instant], ['ScheduleType', 'fixed']];
}
