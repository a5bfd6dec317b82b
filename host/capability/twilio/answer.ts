import { type ErrorCode, GtpackError } from '../../errors.ts';
import { parseBoundedJson } from '../../event/json-bounds.ts';
import type { HttpResponse } from '../http/response.ts';
import { rateLimited } from '../vendor/vendor-post.ts';
import { vendorText } from '../vendor/vendor-text.ts';

const BOUNDS = { maxBytes: 256 * 1024, maxDepth: 8, maxElements: 1000 };
const SID = /^(?:SM|MM)[0-9a-fA-F]{32}$/;
const SERVICE = /^MG[0-9a-fA-F]{32}$/;
const STATUS = /^[a-z_-]{1,32}$/;
const MAX_COUNT = 1_000_000;

/** Twilio's error codes (twilio.com/docs/api/errors) that a flow tells apart; all others are `twilio_invalid`. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  ...[21211, 21214, 21217, 21265, 21401, 21421, 21614, 21635].map(
    (code) => [code, 'twilio_to_invalid'] as const,
  ),
  ...[21212, 21603, 21606, 21607, 21612, 21618, 21659, 21660, 21661, 21701, 21702, 21703, 21704, 21705].map(
    (code) => [code, 'twilio_from_invalid'] as const,
  ),
  ...[21215, 21408, 60410].map((code) => [code, 'twilio_region_denied'] as const),
  [21610, 'twilio_opted_out'],
  ...[20003, 20005, 20008, 10001].map((code) => [code, 'twilio_unauthorized'] as const),
  ...[20429, 21611, 14107, 63018].map((code) => [code, 'twilio_rate_limited'] as const),
]);

export interface AnswerContext {
  readonly origin: string;
  /** Forms of the key, which the vendor may echo. */
  readonly hidden: readonly string[];
  readonly waitMs: number | undefined;
}

/**
 * What Twilio's answer means.
 * @returns the result of `send`, as sdk/wit has it
 * @throws GtpackError `twilio_…` by its code and status, `http_response_invalid`
 */
export function readAnswer({ status, body }: HttpResponse, context: AnswerContext): string {
  const { origin, waitMs, hidden } = context;
  const json = parsed(body);
  if (status === 200 || status === 201) return receiptOf(json, origin);
  const code = numberOf(json.code);
  const words = typeof json.message === 'string' ? vendorText(json.message, hidden).replace(/\.$/, '') : '';
  const told = [code === null ? '' : `code ${code}`, words].filter((part) => part !== '').join(', ');
  const after = told === '' ? ` (status ${status})` : ` (status ${status}, ${told})`;
  const timing = waitMs === undefined ? {} : { retryAfterMs: waitMs };
  if (status >= 500)
    throw new GtpackError('twilio_unavailable', `${origin} cannot take the message${after}.`, timing);
  const known = errorOf(status, code);
  if (known === 'twilio_rate_limited') throw rateLimited('twilio', origin, waitMs, told);
  if (known !== undefined) throw new GtpackError(known, `Twilio refused the message${after}.`);
  throw new GtpackError(
    'http_response_invalid',
    `${origin} answered with status ${status}, which is none of the Messages API’s.`,
    { retryable: false },
  );
}

function errorOf(status: number, code: number | null): ErrorCode | undefined {
  const known = code === null ? undefined : CODES.get(code);
  if (known !== undefined) return known;
  if (status === 429) return 'twilio_rate_limited';
  if (status === 401 || status === 403) return 'twilio_unauthorized';
  return status === 400 || status === 404 ? 'twilio_invalid' : undefined;
}

type Answer = Readonly<Record<string, unknown>>;

function parsed(body: Buffer): Answer {
  try {
    const json = parseBoundedJson(body.toString('utf8'), BOUNDS, 'The answer') as unknown;
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Answer) : {};
  } catch {
    return {};
  }
}

/** Names, numbers and sids only: nothing that a vendor could say more in. */
function receiptOf(json: Answer, origin: string): string {
  const { sid, status, num_segments, num_media, error_code, messaging_service_sid: service } = json;
  if (typeof sid !== 'string' || !SID.test(sid) || typeof status !== 'string' || !STATUS.test(status)) {
    throw new GtpackError(
      'http_response_invalid',
      `${origin} took the message and answered with no sid and status that could be read.`,
      // It is under way: another try would send it twice.
      { retryable: false },
    );
  }
  return JSON.stringify({
    sid,
    status,
    // Twilio writes 0 where it does not know yet, as for a messaging service.
    num_segments: numberOf(num_segments) || null,
    num_media: numberOf(num_media),
    error_code: numberOf(error_code),
    messaging_service_sid: typeof service === 'string' && SERVICE.test(service) ? service : null,
  });
}

/** Twilio writes counts as texts and codes as numbers. */
function numberOf(json: unknown): number | null {
  const value = typeof json === 'string' && /^\d{1,7}$/.test(json) ? Number(json) : json;
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MAX_COUNT
    ? value
    : null;
}
