import { hash } from 'node:crypto';

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/**
 * The trace id of a `traceparent` header (W3C Trace Context, section 3.2), or undefined if the header is invalid and
 * has to be ignored. Versions after 00 may go on after the fields that are known today.
 */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  return readTraceparent(traceparent)?.traceId;
}

export interface TraceParent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
}

/** @returns undefined for an invalid header, as `traceIdOf` */
export function readTraceparent(traceparent: string | undefined): TraceParent | undefined {
  const match = traceparent === undefined ? null : TRACEPARENT.exec(traceparent);
  if (match === null) return undefined;
  const [, version, traceId = '', spanId = '', more] = match;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return traceId === NO_TRACE || spanId === NO_SPAN ? undefined : { traceId, spanId };
}

/** What a span is of. */
export type SpanKind = 'event' | 'run' | 'node' | 'effect';

/**
 * The id of a span, made of what the span is of: the same on every delivery, every host and in every record of it, so
 * that it need not be stored. 16 hex digits.
 * @param name an event's id, a run's id, a step's key, an effect's key
 */
export function spanId(kind: SpanKind, name: string): string {
  return hash('sha256', `${kind}\n${name}`, 'hex').slice(0, 16);
}

/** @returns the header; undefined for an id that is none, as another client of the bus may give */
export function traceparent(traceId: string | undefined, span: string): string | undefined {
  const header = `00-${traceId}-${span}-01`;
  return traceIdOf(header) === undefined ? undefined : header;
}
