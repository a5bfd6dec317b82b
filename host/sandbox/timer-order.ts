import { Buffer } from 'node:buffer';
import { MAX_TIMER_EVENT_BYTES, MIN_TIMER_INTERVAL_MS } from '../contract.ts';
import { GtpackError } from '../errors.ts';
import type { Json } from '../event/json.ts';
import { eventBounds, parseBoundedJson } from '../event/json-bounds.ts';
import { type EventType, parseOpenEventType, quoted } from '../event/names.ts';
import { eventToJson, MAX_TIMESTAMP, type NormalizeContext, normalizeDraft } from '../event/normalize.ts';
import { MAX_REPLY_BYTES } from './plugin.ts';
import type { CellLimits } from './protocol.ts';

/**
 * A timer on its way from the cell, where the guest's document is parsed and its draft normalized, to the main process,
 * which parses neither: it puts the texts together each time the timer fires.
 */
export interface TimerOrder {
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly dueAt: number;
  readonly everyMs: number | null;
  readonly type: EventType;
  /** JSON text. */
  readonly payload: string;
  /**
   * JSON text of an object: what of the event's metadata does not depend on the instant. It begins with a trace where the
   * timer was set while an event was handled; else each firing begins a trace of its own.
   */
  readonly metadata: string;
}

const MAX_ID_CHARACTERS = 128;
const TIMER_KEYS: readonly string[] = ['id', 'at', 'after_ms', 'every_ms', 'event'];
/** Keys of a draft that are made of the timer and the instant. */
const HOST_KEYS = ['id', 'timestamp', 'idempotency_key'] as const;
/** As long as any id and instant that will stand in their place, so that no firing makes the event larger. */
const STAND_IN_ID = `timer-${'0'.repeat(32)}`;

/**
 * Reads what a guest passes to `timers.set`. Optional fields may be null, as serializers write them.
 * @param now milliseconds since the Unix epoch, for `after_ms`
 * @throws GtpackError `timer_invalid` naming the field, and what normalizing its draft throws
 */
export function readTimer(
  json: string,
  context: NormalizeContext,
  limits: CellLimits,
  now: number,
): TimerOrder {
  const bounds = { ...eventBounds(limits), maxBytes: MAX_REPLY_BYTES, maxDepth: limits.maxJsonDepth + 1 };
  const timer = asTimer(parseBoundedJson(json, bounds, 'The timer'));
  const id = checkTimerId(timer.id);
  const dueAt = dueAtOf(timer, now);
  const everyMs = everyMsOf(timer.every_ms ?? null);
  return { id, dueAt, everyMs, ...eventOf(timer.event, context, limits) };
}

/** As they cross, in this order. */
export function timerArguments({ id, dueAt, everyMs, type, payload, metadata }: TimerOrder): string[] {
  return [id, String(dueAt), everyMs === null ? '' : String(everyMs), type, payload, metadata];
}

/** The main process's side: texts of a cell are bounded and checked, and stay texts. @throws GtpackError `timer_invalid` */
export function parseTimerArguments(args: readonly string[]): TimerOrder {
  const [id, dueAt = '', everyMs = '', type = '', payload = '', metadata = ''] = args;
  const bytes = Buffer.byteLength(payload) + Buffer.byteLength(metadata);
  if (bytes > MAX_TIMER_EVENT_BYTES) throw tooLarge(`${bytes} bytes`);
  if (!payload.isWellFormed() || !metadata.isWellFormed() || !/^\{".*\}$/s.test(metadata))
    throw invalid('The cell passed something else than a timer.');
  return {
    id: checkTimerId(id),
    dueAt: instantOf('at', Number(dueAt)),
    everyMs: everyMsOf(everyMs === '' ? null : Number(everyMs)),
    type: parseOpenEventType(type),
    payload,
    metadata,
  };
}

/** @throws GtpackError `timer_invalid` for anything but a text of 1 to 128 characters */
export function checkTimerId(id: unknown): string {
  if (typeof id !== 'string')
    throw invalid(`timer.id: 1 to ${MAX_ID_CHARACTERS} characters were expected; ${kindOf(id)} came.`);
  if (id === '' || id.length > MAX_ID_CHARACTERS)
    throw invalid(`timer.id: 1 to ${MAX_ID_CHARACTERS} characters were expected; ${id.length} came.`);
  if (!id.isWellFormed())
    throw invalid('timer.id: Unicode text was expected; half of a surrogate pair came.');
  return id;
}

type TimerDocument = Readonly<Record<string, unknown>>;

function asTimer(timer: Json): TimerDocument {
  if (typeof timer !== 'object' || timer === null || Array.isArray(timer))
    throw invalid(`The timer: an object was expected; ${kindOf(timer)} came.`);
  for (const key of Object.keys(timer)) {
    if (!TIMER_KEYS.includes(key))
      throw invalid(`The timer has the unknown key ${quoted(key)}. Known: ${TIMER_KEYS.join(', ')}.`);
  }
  return timer as TimerDocument;
}

function dueAtOf(timer: TimerDocument, now: number): number {
  const at = timer.at ?? null;
  const afterMs = timer.after_ms ?? null;
  if ((at === null) === (afterMs === null))
    throw invalid(
      `The timer: one of at and after_ms was expected; ${at === null ? 'neither' : 'both'} came.`,
    );
  if (afterMs === null) return instantOf('at', at);
  const delayMs = instantOf('after_ms', afterMs);
  return instantOf('after_ms, counted from now', now + delayMs);
}

function instantOf(field: string, value: unknown): number {
  if (isWhole(value, 0)) return value;
  throw invalid(
    `timer.${field}: whole milliseconds since 1970 up to the year 9999 were expected; ${kindOf(value)} came.`,
  );
}

function everyMsOf(value: unknown): number | null {
  if (value === null || isWhole(value, MIN_TIMER_INTERVAL_MS)) return value;
  throw invalid(
    `timer.every_ms: whole milliseconds from ${MIN_TIMER_INTERVAL_MS} were expected; ${kindOf(value)} came.`,
  );
}

function isWhole(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= MAX_TIMESTAMP;
}

function eventOf(
  draft: unknown,
  { source, cause, ids }: NormalizeContext,
  limits: CellLimits,
): Pick<TimerOrder, 'type' | 'payload' | 'metadata'> {
  // Neither the request nor the tick during which it is set is the event's own.
  const context: NormalizeContext = {
    source,
    eventType: null,
    receivedAt: MAX_TIMESTAMP,
    ids: { next: () => STAND_IN_ID, hex: ids.hex },
    ...(cause === undefined ? {} : { cause }),
  };
  const event = normalizeDraft(draft, context, 'timer.event');
  for (const key of HOST_KEYS) {
    if (((draft as TimerDocument)[key] ?? null) !== null)
      throw invalid(
        `timer.event: ${key} is not the draft's to set; the host makes it of the timer and the instant.`,
      );
  }
  const bounds = eventBounds(limits);
  const json = eventToJson(event, bounds);
  const bytes = Buffer.byteLength(json);
  if (bytes > MAX_TIMER_EVENT_BYTES) throw tooLarge(`${bytes} bytes`);
  const { trace_id, correlation_id, ...ahead } = event.metadata ?? {};
  const metadata = cause === undefined ? ahead : { trace_id, correlation_id, ...ahead };
  return {
    type: event.event_type,
    payload: JSON.stringify(event.payload),
    metadata: JSON.stringify(metadata),
  };
}

function tooLarge(came: string): GtpackError {
  return invalid(`timer.event: at most ${MAX_TIMER_EVENT_BYTES} bytes were expected; ${came} came.`);
}

function invalid(message: string): GtpackError {
  return new GtpackError('timer_invalid', message);
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? quoted(value) : String(value);
}
