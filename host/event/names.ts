import { GtpackError } from '../errors.ts';

/** Checked names: only these reach a subject, a file name or a query. */
export type TenantId = string & { readonly __brand: 'TenantId' };
export type EnvName = string & { readonly __brand: 'EnvName' };
export type EventType = string & { readonly __brand: 'EventType' };

const TOKEN = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const TYPE_TOKEN = /^[a-z0-9_-]+$/;
export const MAX_TYPE_TOKENS = 8;
const MAX_TYPE_BYTES = 128;

/** Begins what stands beside an event that starts a flow by its name. */
export const CALL_SCHEDULE = 'call:';

/** What could steer a terminal or reorder a log line: controls, format characters (bidi), line separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Quoted for a message: all that is not printable escaped, long text cut. */
export function quoted(text: string): string {
  const cut = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  return cut.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`);
}

/** One token of a subject: 1 to 63 of a to z, 0 to 9, _ and -, starting with a letter or digit. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** @throws GtpackError `tenant_invalid` */
export function parseTenantId(text: string): TenantId {
  if (TOKEN.test(text)) return text as TenantId;
  throw new GtpackError(
    'tenant_invalid',
    `The tenant ${quoted(text)} is not one token of a to z, 0 to 9, _ and -, starting with a letter or digit, at most 63 long.`,
  );
}

/** @throws GtpackError `env_invalid` */
export function parseEnvName(text: string): EnvName {
  if (TOKEN.test(text)) return text as EnvName;
  throw new GtpackError(
    'env_invalid',
    `The env ${quoted(text)} is not one token of a to z, 0 to 9, _ and -, starting with a letter or digit, at most 63 long.`,
  );
}

const EVENT_ID = /^[!-~]{1,128}$/;

/** Ids of events are 1 to 128 printable ASCII characters without spaces: they stand in headers, logs and URLs. */
export function isEventId(text: string): boolean {
  return EVENT_ID.test(text);
}

/** Why a text is no event type, or undefined if it is one. */
function eventTypeFault(text: string): string | undefined {
  if (text.length > MAX_TYPE_BYTES)
    return `is ${text.length} characters long; at most ${MAX_TYPE_BYTES} are allowed`;
  const tokens = text.split('.');
  if (tokens.length > MAX_TYPE_TOKENS)
    return `has ${tokens.length} tokens; at most ${MAX_TYPE_TOKENS} are allowed`;
  for (const token of tokens) {
    if (token === '') return 'has an empty token';
    if (!TYPE_TOKEN.test(token))
      return `has the token ${quoted(token)}; a token is made of a to z, 0 to 9, _ and -`;
  }
  return tokens.at(-1) === 'result' ? "ends in 'result', which is kept for the results of flows" : undefined;
}

/** Dot-separated lower-case tokens, as in `order.created`. @throws GtpackError `event_type_invalid` */
export function parseEventType(text: string): EventType {
  const fault = eventTypeFault(text);
  if (fault === undefined) return text as EventType;
  throw new GtpackError('event_type_invalid', `The event type ${quoted(text)} ${fault}.`);
}

/** What the host tells by events of its own, such as `host.dead_letter`: flows may subscribe to it, and nobody else make it. */
const RESERVED = 'host.';

export function isReservedType(text: string): boolean {
  return text.startsWith(RESERVED);
}

/** Of the events that start a flow by its name, and of nothing else of the host's that comes from a cell. */
export const CALL_EVENT = parseEventType('host.call');

/** A type that others than the host may give an event. @throws GtpackError `event_type_invalid`, `event_type_reserved` */
export function parseOpenEventType(text: string): EventType {
  const type = parseEventType(text);
  if (!isReservedType(type)) return type;
  throw new GtpackError(
    'event_type_reserved',
    `The event type ${quoted(type)} is the host's own: types that begin with ${quoted(RESERVED)} are reserved.`,
    { cure: 'Give the event another type.' },
  );
}
