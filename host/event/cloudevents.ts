import { Buffer } from 'node:buffer';
import { errorMessage, GtpackError } from '../errors.ts';
import type { Event, EventDraft } from './event.ts';
import type { Json, JsonObject } from './json.ts';
import { type JsonBounds, parseBoundedJson } from './json-bounds.ts';
import { quoted } from './names.ts';

/**
 * Events to and from CloudEvents 1.0 (JSON format 1.0.2, HTTP binding 1.0.2).
 *
 * | event                          | CloudEvent                                                          |
 * |--------------------------------|---------------------------------------------------------------------|
 * | `id`                           | out: `id`. In: made from `source` and `id`, which together are unique there |
 * | `event_type`                   | `type`; in: lower-cased                                             |
 * | `source`                       | out: `source`. In: the provider that took it                        |
 * | `timestamp`                    | `time`, RFC 3339; in: finer parts than milliseconds are cut         |
 * | `payload`                      | `data`; in: `data_base64` stays base64 text, no data is null        |
 * | `metadata.trace_id`            | out: `traceid`                                                      |
 * | `metadata.correlation_id`      | out: `correlationid`                                                |
 * | `metadata.causation_id`        | out: `causationid`                                                  |
 * | `metadata.hops`                | out: `hops`                                                         |
 * | `metadata.idempotency_key`     | out: `idempotencykey`                                               |
 * | `metadata.schedule`            | out: `schedule`                                                     |
 * | `metadata.cloudevent`          | in: `id`, `source`, `type`, `subject`, `dataschema`, `datacontenttype`, `encoding` |
 * | other `metadata`               | extension attributes: out, where a name and value can be one        |
 *
 * `metadata.http` does not go out. What comes in is a draft: `normalizeDraft` makes the event of it.
 */

export type CloudEventMode = 'structured' | 'batch' | 'binary';

/** How a request carries CloudEvents, or null if it carries none. @param headers with lower-case names */
export function cloudEventMode(headers: Readonly<Record<string, string>>): CloudEventMode | null {
  const media = mediaType(headers['content-type']);
  if (media === 'application/cloudevents+json') return 'structured';
  if (media === 'application/cloudevents-batch+json') return 'batch';
  return 'ce-specversion' in headers ? 'binary' : null;
}

export interface CloudEventMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Structured mode: the whole event is the body. */
export function toStructured(event: Event): CloudEventMessage {
  const body = JSON.stringify({ ...attributesOf(event), data: event.payload });
  return { headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' }, body };
}

/** Binary mode: attributes are headers, the payload is the body. The headers of a NATS message, too. */
export function toBinary(event: Event): CloudEventMessage {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributesOf(event))) {
    if (name === 'datacontenttype') headers['content-type'] = String(value);
    else headers[`ce-${name}`] = encodeHeader(String(value));
  }
  return { headers, body: JSON.stringify(event.payload) };
}

/**
 * The drafts that a request carries.
 * @param headers with lower-case names
 * @throws GtpackError `cloudevent_invalid` naming the attribute, and as `parseBoundedJson`
 */
export function readCloudEvents(
  mode: CloudEventMode,
  headers: Readonly<Record<string, string>>,
  body: { readonly text: string; readonly encoding: 'utf8' | 'base64' },
  bounds: JsonBounds,
): EventDraft[] {
  if (mode === 'binary') return [readBinary(headers, body, bounds)];
  if (body.encoding === 'base64') throw invalid('the body is not UTF-8.');
  const value = parseBoundedJson(body.text, bounds, 'The CloudEvents body');
  if (mode === 'structured') return [readStructured(value)];
  if (!Array.isArray(value)) throw invalid('a batch is a JSON array of events.');
  return value.map((item: Json, index) => {
    try {
      return readStructured(item);
    } catch (error) {
      throw new GtpackError('cloudevent_invalid', `Event ${index} of the batch: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  });
}

const SPEC_VERSION = '1.0';
const ATTRIBUTE_NAME = /^[a-z0-9]{1,64}$/;
/** Attributes that the specification names, and what is no attribute at all. */
const CORE = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'time',
  'subject',
  'dataschema',
  'datacontenttype',
  'data',
]);
const MIN_INTEGER = -(2 ** 31);
const MAX_INTEGER = 2 ** 31 - 1;

type Attribute = string | number | boolean;

function isAttribute(value: Json | undefined): value is Attribute {
  if (typeof value === 'string' || typeof value === 'boolean') return true;
  return Number.isInteger(value) && Number(value) >= MIN_INTEGER && Number(value) <= MAX_INTEGER;
}

function attributesOf(event: Event): Record<string, Attribute> {
  const attributes: Record<string, Attribute> = {
    specversion: SPEC_VERSION,
    id: event.id,
    source: event.source,
    type: event.event_type,
    time: new Date(event.timestamp).toISOString(),
    datacontenttype: 'application/json',
  };
  for (const [key, value] of Object.entries(event.metadata ?? {})) {
    const name = HOST_KEYS[key] ?? key;
    if (ATTRIBUTE_NAME.test(name) && !CORE.has(name) && isAttribute(value)) attributes[name] ??= value;
  }
  return attributes;
}

const HOST_KEYS: Readonly<Record<string, string>> = Object.freeze(
  Object.assign(Object.create(null), {
    trace_id: 'traceid',
    correlation_id: 'correlationid',
    causation_id: 'causationid',
    idempotency_key: 'idempotencykey',
  }),
);

function readStructured(value: Json): EventDraft {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('an event is a JSON object.');
  }
  const { data, data_base64, ...attributes } = value as JsonObject;
  if (data_base64 === undefined || data_base64 === null) return draftOf(attributes, data ?? null);
  if (data !== undefined) throw invalid('data and data_base64 exclude each other.');
  if (typeof data_base64 !== 'string') throw invalid('data_base64 is a string of base64.');
  return draftOf(attributes, data_base64, 'base64');
}

function readBinary(
  headers: Readonly<Record<string, string>>,
  body: { readonly text: string; readonly encoding: 'utf8' | 'base64' },
  bounds: JsonBounds,
): EventDraft {
  const contentType: string | undefined = headers['content-type'];
  const entries = Object.entries(headers).filter(([name]) => name.startsWith('ce-'));
  const attributes: JsonObject = {
    ...Object.fromEntries(entries.map(([name, value]) => [name.slice(3), decodeHeader(value)])),
    datacontenttype: contentType ?? null,
  };
  if (body.text === '') return draftOf(attributes, null);
  if (body.encoding === 'base64') return draftOf(attributes, body.text, 'base64');
  const media = mediaType(contentType);
  const isJson = media === undefined || media.endsWith('/json') || media.endsWith('+json');
  return draftOf(attributes, isJson ? parseBoundedJson(body.text, bounds, 'The body') : body.text);
}

function draftOf(attributes: JsonObject, payload: Json, encoding?: 'base64'): EventDraft {
  const { specversion, id, source, type, time, subject, dataschema, datacontenttype, ...rest } = attributes;
  if (specversion !== SPEC_VERSION) {
    throw invalid(`specversion: "${SPEC_VERSION}" was expected; ${shown(specversion)} came.`);
  }
  const origin = { id: required('id', id), source: required('source', source), type: required('type', type) };
  const optional = { subject, dataschema, datacontenttype, encoding };
  const extensions: [string, Json][] = [];
  for (const [name, value] of Object.entries(rest)) {
    if (!ATTRIBUTE_NAME.test(name)) {
      throw invalid(`the attribute name ${quoted(name)} is not of 1 to 64 letters a to z and digits.`);
    }
    if (value === null) continue;
    if (!isAttribute(value)) {
      throw invalid(`${name}: a string, a boolean or a 32-bit integer was expected; ${shown(value)} came.`);
    }
    extensions.push([name, value]);
  }
  const cloudevent: Record<string, Json> = { ...origin };
  for (const [name, value] of Object.entries(optional)) {
    if (value !== undefined && value !== null) cloudevent[name] = required(name, value);
  }
  const timestamp = timestampOf(time);
  return {
    event_type: origin.type.toLowerCase(),
    ...(timestamp === undefined ? {} : { timestamp }),
    idempotency_key: `${origin.source} ${origin.id}`,
    payload,
    metadata: { ...Object.fromEntries(extensions), cloudevent },
  };
}

function required(name: string, value: Json | undefined): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(`${name}: a string with something in it was expected; ${shown(value)} came.`);
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;

function timestampOf(time: Json | undefined): number | undefined {
  if (time === undefined || time === null) return undefined;
  const instant =
    typeof time === 'string' && RFC_3339.test(time) ? Date.parse(time.toUpperCase()) : Number.NaN;
  if (instant >= 0) return Math.trunc(instant);
  throw invalid(`time: an RFC 3339 instant from 1970 on was expected; ${shown(time)} came.`);
}

/** Header values are percent-encoded UTF-8 (HTTP binding, section 3.1.3.2). */
function encodeHeader(value: string): string {
  return value
    .toWellFormed()
    .replace(/[^!#-$&-~]/gu, (character) =>
      [...Buffer.from(character)]
        .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
        .join(''),
    );
}

/** Senders that do not encode at all are read as they are. */
function decodeHeader(value: string): string {
  const unquoted = /^".*"$/.test(value) ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
  try {
    return decodeURIComponent(unquoted);
  } catch {
    return unquoted;
  }
}

function mediaType(contentType: string | undefined): string | undefined {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase();
}

function shown(value: Json | undefined): string {
  return value === undefined ? 'nothing' : quoted(typeof value === 'string' ? value : JSON.stringify(value));
}

function invalid(message: string): GtpackError {
  return new GtpackError('cloudevent_invalid', `The CloudEvent cannot be read: ${message}`);
}
