import { Buffer } from 'node:buffer';
import { errorMessage, GtpackError } from '../../errors.ts';
import { cloudEventMode, readCloudEvents } from '../../event/cloudevents.ts';
import { type JsonBounds, parseBoundedJson } from '../../event/json-bounds.ts';
import { type EventType, parseOpenEventType } from '../../event/names.ts';
import { type EventIds, type EventText, eventToJson, normalizeDraft } from '../../event/normalize.ts';
import { traceIdOf } from '../../event/trace.ts';
import type { MsgHdrs } from './client.ts';

/** A message that some other client published on an event's subject. */
export interface ForeignMessage {
  /** Of the subject. */
  readonly type: EventType;
  readonly body: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  /** Its id where it brings none; the same at every delivery. */
  readonly unnamedId: string;
  readonly storedAt: number;
}

const SOURCE = /^[!-~]{1,128}$/;
/** What a client calls itself stands behind it, so that it is no provider or flow: flows go by the source. */
const FOREIGN_SOURCE = 'nats';

/**
 * Reads what a client that is no host published: an event as hosts publish them, or a CloudEvent in binary or structured
 * mode. Nothing that it says of what a host alone knows (the source, hops, schedule, the request behind it) is believed.
 * @throws GtpackError naming what is wrong with it, as `parseOpenEventType`, `normalizeDraft`, `readCloudEvents` and `parseBoundedJson`
 */
export function readForeignEvent(message: ForeignMessage, ids: EventIds, bounds: JsonBounds): EventText {
  const { storedAt, unnamedId } = message;
  const type = parseOpenEventType(message.type);
  const { source, draft } = draftOf(message, bounds);
  const traceId = traceIdOf(headersOf(message.headers).traceparent);
  const event = normalizeDraft(
    'id' in draft || 'idempotency_key' in draft ? draft : { ...draft, id: unnamedId },
    { source, eventType: type, receivedAt: storedAt, ids, ...(traceId === undefined ? {} : { traceId }) },
    'The event',
  );
  if (event.event_type !== type)
    throw new GtpackError(
      'event_invalid',
      `The event says that its type is ${event.event_type}; its subject says ${type}.`,
    );
  return { id: event.id, type, json: eventToJson(event, bounds) };
}

type Draft = Readonly<Record<string, unknown>>;

function draftOf(
  { body, headers, type }: ForeignMessage,
  bounds: JsonBounds,
): { readonly source: string; readonly draft: Draft } {
  if (body.length > bounds.maxBytes)
    throw new GtpackError(
      'json_too_large',
      `The event is ${body.length} bytes long; at most ${bounds.maxBytes} are allowed.`,
    );
  const text = textOf(body);
  const named = headersOf(headers);
  const mode = cloudEventMode(named);
  if (mode === 'structured' || mode === 'binary') {
    const [draft] = readCloudEvents(mode, named, { text, encoding: 'utf8' }, bounds);
    if (draft === undefined) throw new GtpackError('cloudevent_invalid', 'There is no CloudEvent in it.');
    return { source: FOREIGN_SOURCE, draft: { ...draft, event_type: draft.event_type ?? type } };
  }
  if (mode === 'batch')
    throw new GtpackError('cloudevent_invalid', 'A batch of CloudEvents came; one event a message is taken.');
  const value = parseBoundedJson(text, bounds, 'The event');
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new GtpackError('event_invalid', 'An event is a JSON object with id, event_type and payload.');
  const { source, ...draft } = value as Draft;
  if (source === undefined) return { source: FOREIGN_SOURCE, draft };
  if (typeof source !== 'string' || !SOURCE.test(source))
    throw new GtpackError('event_invalid', 'source: 1 to 128 printable ASCII characters were expected.');
  return { source: `${FOREIGN_SOURCE}:${source}`, draft };
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw new GtpackError('json_invalid', `The event is not UTF-8: ${errorMessage(cause)}.`, { cause });
  }
}

/** An event's text for the dead letters, of a message that holds none: what came, as far as it is text. */
export function textOfUnsound(body: Uint8Array, maxBytes: number): string {
  const text = Buffer.from(body.subarray(0, maxBytes)).toString();
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

const MAX_HEADERS = 64;

function headersOf(given: MsgHdrs | undefined): Record<string, string> {
  const named: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const name of (given?.keys() ?? []).slice(0, MAX_HEADERS))
    named[name.toLowerCase()] = given?.get(name) ?? '';
  return named;
}
