import { hash } from 'node:crypto';
import { errorMessage, GtpackError } from '../errors.ts';
import { type Event, type EventMetadata, type HttpMetadata, MAX_HOPS } from './event.ts';
import { type HexSource, hexSource } from './hex-source.ts';
import type { Json, JsonObject } from './json.ts';
import { checkJsonBounds, type JsonBounds } from './json-bounds.ts';
import { type EventType, isEventId, parseEventType, parseOpenEventType, quoted } from './names.ts';
import { traceIdOf } from './trace.ts';
import { type IdSource, uuidv7Source } from './uuid.ts';

/** What the host knows of an event before it reads the guest's draft. */
export interface NormalizeContext {
  /** The pack's provider, or `flow:<name>`. */
  readonly source: string;
  /** For drafts that name no `event_type`, such as the one of the webhook's path. */
  readonly eventType: string | null;
  /** For drafts that give no `timestamp`: when the request came or the tick was due. */
  readonly receivedAt: number;
  readonly http?: HttpMetadata;
  /** The schedule whose tick is being answered. */
  readonly schedule?: string;
  /** Of what comes of it where no event is its cause. By default of the request, or a new one. */
  readonly traceId?: string;
  /** The event whose run or handling publishes this one. */
  readonly cause?: Event;
  readonly ids: EventIds;
}

/** Where new ids come from. One for each thread. */
export interface EventIds {
  readonly next: IdSource;
  readonly hex: HexSource;
}

export function eventIds(hex: HexSource = hexSource()): EventIds {
  return { next: uuidv7Source(hex), hex };
}

/** A normalized event, as it travels. */
export interface EventText {
  readonly id: string;
  readonly type: EventType;
  /** The whole event as JSON text. */
  readonly json: string;
}

/**
 * Turns the drafts of one guest call into events as JSON text, all of them or none.
 * @throws GtpackError as `normalizeDraft` and `eventToJson`, and `event_invalid` for what is no list of at most
 *   `maxDrafts` drafts
 */
export function normalizeDrafts(
  drafts: unknown,
  context: NormalizeContext,
  bounds: JsonBounds & { readonly maxDrafts: number },
): EventText[] {
  if (!Array.isArray(drafts)) throw invalid(`A list of event drafts was expected; ${kindOf(drafts)} came.`);
  if (drafts.length > bounds.maxDrafts) {
    throw invalid(
      `${drafts.length} event drafts came from one call; at most ${bounds.maxDrafts} are allowed.`,
    );
  }
  return drafts.map((draft: unknown, index) => {
    const event = normalizeDraft(draft, context, `Draft ${index}`);
    return { id: event.id, type: event.event_type, json: eventToJson(event, bounds) };
  });
}

/**
 * Turns a guest's draft into an event. Optional fields may be null, as serializers write them.
 *
 * The id is the draft's, or made from its idempotency key (so a repeated key is a repeated id, promise B4), or new.
 * Keys of the metadata that the host owns are ignored in the draft.
 *
 * @param what begins the message: `Draft 3`
 * @throws GtpackError `event_invalid` naming the field, `event_type_reserved`, `too_many_hops`
 */
export function normalizeDraft(
  draft: unknown,
  context: NormalizeContext,
  what = 'The event draft',
): Event & { readonly event_type: EventType } {
  if (!isObject(draft)) throw invalid(`${what}: an object was expected; ${kindOf(draft)} came.`);
  for (const key in draft) {
    if (!DRAFT_KEYS.has(key)) throw invalid(`${what}: ${unknownKey(key)}`);
  }
  const type = eventTypeOf(draft, context, what);
  const key = idempotencyKeyOf(draft, what);
  const id = idOf(draft, what) ?? (key === undefined ? newId(context) : keyedId(context, type, key));
  const timestamp = timestampOf(draft, what) ?? context.receivedAt;
  const { payload } = draft;
  if (payload === undefined) throw invalid(`${what}: payload is missing; give any JSON, null included.`);
  const metadata = metadataOf(draft, id, key, context, what);
  return { id, event_type: type, source: context.source, timestamp, payload: payload as Json, metadata };
}

/**
 * The event as JSON text that is well-formed Unicode and that `parseBoundedJson` accepts with the same bounds.
 * @throws GtpackError as `checkJsonBounds`
 */
export function eventToJson(event: Event, bounds: JsonBounds): string {
  const json = JSON.stringify(event);
  checkJsonBounds(json, bounds, `The event ${event.id}`);
  return json;
}

const DRAFT_KEYS: ReadonlySet<string> = new Set([
  'id',
  'event_type',
  'timestamp',
  'idempotency_key',
  'payload',
  'metadata',
]);

/** 9999-12-31T23:59:59.999Z: RFC 3339 has no later instant, and microseconds given by mistake lie past it. */
export const MAX_TIMESTAMP = 253_402_300_799_999;

type Draft = Readonly<Record<string, unknown>>;

function unknownKey(key: string): string {
  return key === 'source'
    ? 'source is not a draft\'s to set; the host sets it. Leave out "source".'
    : `the key ${quoted(key)} is unknown. Known here: ${[...DRAFT_KEYS].join(', ')}.`;
}

function eventTypeOf(draft: Draft, context: NormalizeContext, what: string): EventType {
  // What the context says was checked where it came from, and may be the host's own.
  const parse = (draft.event_type ?? null) === null ? parseEventType : parseOpenEventType;
  const text = draft.event_type ?? context.eventType;
  if (text === null)
    throw invalid(`${what}: event_type is missing, and nothing else says what the event is.`);
  if (typeof text !== 'string') throw wrongKind(what, 'event_type', 'a string', text);
  try {
    return parse(text);
  } catch (error) {
    const isReserved = error instanceof GtpackError && error.code === 'event_type_reserved';
    const code = isReserved ? error.code : 'event_invalid';
    throw new GtpackError(code, `${what}: event_type: ${errorMessage(error)}`, { cause: error });
  }
}

function idOf(draft: Draft, what: string): string | undefined {
  const id = draft.id ?? undefined;
  if (id === undefined) return undefined;
  if (typeof id !== 'string') throw wrongKind(what, 'id', 'a string', id);
  if (isEventId(id)) return id;
  throw invalid(
    `${what}: id: 1 to 128 printable ASCII characters without spaces were expected; ${quoted(id)} came.`,
  );
}

function idempotencyKeyOf(draft: Draft, what: string): string | undefined {
  const key = draft.idempotency_key ?? undefined;
  if (key === undefined) return undefined;
  if (typeof key !== 'string') throw wrongKind(what, 'idempotency_key', 'a string', key);
  if (key !== '' && key.length <= 1024) return key;
  throw invalid(`${what}: idempotency_key: 1 to 1024 characters were expected; ${key.length} came.`);
}

function newId(context: NormalizeContext): string {
  return context.ids.next(context.receivedAt);
}

/** A UUID of version 8 (RFC 9562, section 5.8) over source, type and key: one provider's key means nothing to another. */
function keyedId(context: NormalizeContext, type: EventType, key: string): string {
  // Neither a source nor a type holds a line feed, so no two triples make one text.
  const digits = hash('sha256', `${context.source}\n${type}\n${key}`, 'hex');
  const variant = (Number.parseInt(digits.slice(16, 17), 16) & 0x3) | 0x8;
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-${variant.toString(16)}${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
}

function timestampOf(draft: Draft, what: string): number | undefined {
  const timestamp = draft.timestamp ?? undefined;
  if (timestamp === undefined) return undefined;
  if (typeof timestamp !== 'number') throw wrongKind(what, 'timestamp', 'a number', timestamp);
  if (Number.isSafeInteger(timestamp) && timestamp >= 0 && timestamp <= MAX_TIMESTAMP) return timestamp;
  throw invalid(
    `${what}: timestamp: whole milliseconds since 1970 up to the year 9999 were expected; ${timestamp} came.`,
  );
}

/** The trace that a call and the events that come of it belong to. */
export function traceOf({ cause, traceId, http, ids }: NormalizeContext): string {
  return cause?.metadata?.trace_id ?? traceId ?? traceIdOf(http?.headers.traceparent) ?? ids.hex(16);
}

type MutableMetadata = { -readonly [Key in keyof EventMetadata]: EventMetadata[Key] };

function metadataOf(
  draft: Draft,
  id: string,
  key: string | undefined,
  context: NormalizeContext,
  what: string,
): EventMetadata {
  const given = draft.metadata ?? undefined;
  if (given !== undefined && !isObject(given)) throw wrongKind(what, 'metadata', 'an object', given);
  const { cause, http, schedule } = context;
  const hops = cause === undefined ? 0 : (cause.metadata?.hops ?? 0) + 1;
  if (hops > MAX_HOPS) {
    throw new GtpackError(
      'too_many_hops',
      `${what} would be the ${hops}th event in a chain that began outside; ${MAX_HOPS} are allowed. Flows that publish what triggers them make such chains.`,
    );
  }
  const metadata: MutableMetadata = {
    trace_id: traceOf(context),
    correlation_id: cause === undefined ? id : (cause.metadata?.correlation_id ?? cause.id),
    hops,
  };
  if (cause !== undefined) metadata.causation_id = cause.id;
  if (key !== undefined) metadata.idempotency_key = key;
  if (http !== undefined) metadata.http = http;
  if (schedule !== undefined) metadata.schedule = schedule;
  if (given === undefined) return metadata;
  const { trace_id, correlation_id, causation_id, hops: _, idempotency_key, ...rest } = given as JsonObject;
  const { http: _http, schedule: _schedule, ...free } = rest;
  // Spread, not assignment: a key named __proto__ stays a key.
  return { ...metadata, ...free };
}

function isObject(value: unknown): value is Draft {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string): GtpackError {
  return new GtpackError('event_invalid', message);
}

function wrongKind(what: string, field: string, expected: string, came: unknown): GtpackError {
  return invalid(`${what}: ${field}: ${expected} was expected; ${kindOf(came)} came.`);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? `the string ${quoted(value)}` : `the ${typeof value} ${String(value)}`;
}
