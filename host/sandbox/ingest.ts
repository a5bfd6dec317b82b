import { errorMessage, GtpackError } from '../errors.ts';
import type { HttpMetadata } from '../event/event.ts';
import type { Json } from '../event/json.ts';
import { eventBounds, type JsonBounds, parseBoundedJson } from '../event/json-bounds.ts';
import {
  type EventIds,
  type EventText,
  type NormalizeContext,
  normalizeDrafts,
  traceOf,
} from '../event/normalize.ts';
import { MAX_REPLY_BYTES } from './plugin.ts';
import type { CellLimits, HttpAnswer, IngestRequest, JobResult, Tick } from './protocol.ts';

const MAX_ANSWER_HEADERS = 64;

/** The request as the plugin gets it; the fields are those of sdk/wit. */
export function requestText(request: IngestRequest): string {
  return JSON.stringify({
    handler: request.handler,
    event_type: request.eventType,
    method: request.method,
    path: request.path,
    query: request.query,
    headers: request.headers,
    body: request.body,
    body_encoding: request.bodyEncoding,
    verified: request.verified,
    received_at: request.receivedAt,
  });
}

export function tickText(tick: Tick): string {
  return JSON.stringify({
    schedule: tick.schedule,
    name: tick.name,
    scheduled_at: tick.scheduledAt,
    fired_at: tick.firedAt,
    last_run: tick.lastRun,
    missed: tick.missed,
  });
}

export function ingestContext(provider: string, request: IngestRequest, ids: EventIds): NormalizeContext {
  const http: HttpMetadata = {
    method: request.method,
    path: request.path,
    headers: request.headers,
    query: request.query,
    ...(request.verified === null ? {} : { verified: request.verified }),
  };
  const { eventType, receivedAt } = request;
  return inOneTrace({ source: provider, eventType, receivedAt, http, ids });
}

/** All that comes of one call is of one trace. */
function inOneTrace(context: NormalizeContext): NormalizeContext {
  return { ...context, traceId: traceOf(context) };
}

/** Events of a tick are named after it, so that the same instant fires once, whoever fires it (promise B6). */
export function tickContext(provider: string, tick: Tick, { hex }: EventIds): NormalizeContext {
  let drafts = 0;
  const next = (): string => {
    drafts += 1;
    return drafts === 1 ? tick.id : `${tick.id}.${drafts}`;
  };
  return inOneTrace({
    source: provider,
    eventType: null,
    receivedAt: tick.scheduledAt,
    schedule: tick.schedule,
    ids: { next, hex },
  });
}

export function invokeContext(provider: string, ids: EventIds): NormalizeContext {
  return inOneTrace({ source: provider, eventType: null, receivedAt: Date.now(), ids });
}

/**
 * The drafts that a guest publishes, parsed once, as events ready for the bus.
 * @throws GtpackError `guest_output_invalid`, and what normalizing throws
 */
export function readDrafts(json: string, context: NormalizeContext, limits: CellLimits): EventText[] {
  const drafts = parse(json, limits, 'The list of drafts');
  return normalizeDrafts(drafts, { ...context, receivedAt: Date.now() }, draftBounds(limits));
}

/**
 * A guest's outcome, parsed once, as events ready for the bus.
 * @throws GtpackError `guest_output_invalid` for an outcome of another shape, and what normalizing throws
 */
export function readOutcome(json: string, context: NormalizeContext, limits: CellLimits): JobResult {
  const outcome = asOutcome(parse(json, limits, 'The outcome'));
  const events = normalizeDrafts(outcome.events ?? [], context, draftBounds(limits));
  const { response } = outcome;
  return response === undefined || response === null
    ? { kind: 'events', events }
    : { kind: 'events', events, answer: readAnswer(response) };
}

function draftBounds(limits: CellLimits): JsonBounds & { readonly maxDrafts: number } {
  return { ...eventBounds(limits), maxDrafts: limits.maxDraftsPerCall };
}

function parse(json: string, limits: CellLimits, what: string): Json {
  const bounds: JsonBounds = {
    maxBytes: MAX_REPLY_BYTES,
    // An outcome wraps its payloads in an object, a list and a draft.
    maxDepth: limits.maxJsonDepth + 3,
    maxElements: limits.maxJsonElements,
  };
  try {
    return parseBoundedJson(json, bounds, what);
  } catch (error) {
    // A provider passes its request's body on, so this is the sender's doing more often than the provider's.
    if (error instanceof GtpackError && error.code === 'json_too_many_elements') throw error;
    throw invalid(errorMessage(error));
  }
}

/**
 * What an operation returned, as the text it is: whoever gets it may set it into other JSON.
 * @throws GtpackError `guest_output_invalid` for what is no JSON within an event's bounds
 */
export function readOutput(json: string, limits: CellLimits): JobResult {
  try {
    parseBoundedJson(json, eventBounds(limits), 'The output');
  } catch (error) {
    throw invalid(errorMessage(error));
  }
  return { kind: 'output', output: json };
}

interface Outcome {
  readonly events?: unknown;
  readonly response?: unknown;
}

function asOutcome(outcome: Json): Outcome {
  if (typeof outcome !== 'object' || outcome === null || Array.isArray(outcome)) {
    throw invalid('The outcome is no JSON object with the keys events and response.');
  }
  for (const key of Object.keys(outcome)) {
    if (key !== 'events' && key !== 'response') {
      throw invalid(
        `The outcome has the unknown key ${JSON.stringify(key.slice(0, 80))}. Known: events, response.`,
      );
    }
  }
  return outcome as Outcome;
}

function readAnswer(response: unknown): HttpAnswer {
  const { status, headers = {}, body = '' } = response as Partial<Record<keyof HttpAnswer, unknown>>;
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) {
    throw invalid('The outcome’s response.status is no whole number from 200 to 599.');
  }
  if (typeof headers !== 'object' || headers === null || typeof body !== 'string') {
    throw invalid('The outcome’s response needs headers as an object of strings and a body as a string.');
  }
  const entries = Object.entries(headers as Record<string, unknown>);
  if (entries.length > MAX_ANSWER_HEADERS || entries.some(([, value]) => typeof value !== 'string')) {
    throw invalid(`The outcome’s response.headers are not at most ${MAX_ANSWER_HEADERS} strings.`);
  }
  return { status, headers: Object.fromEntries(entries) as Record<string, string>, body };
}

function invalid(message: string): GtpackError {
  return new GtpackError('guest_output_invalid', message);
}
