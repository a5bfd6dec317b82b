import { GtpackError } from '../../errors.ts';
import { parseBoundedJson } from '../../event/json-bounds.ts';
import { valuesOf } from '../http/header.ts';
import type { HttpResponse } from '../http/response.ts';
import { rateLimited } from '../vendor/vendor-post.ts';
import { vendorText } from '../vendor/vendor-text.ts';

const MESSAGE_ID = /^[A-Za-z0-9._@<>-]{1,256}$/;
const BOUNDS = { maxBytes: 256 * 1024, maxDepth: 8, maxElements: 10_000 };
const SHOWN_ERRORS = 5;

export interface AnswerContext {
  readonly origin: string;
  /** Forms of the key, which the vendor may echo. */
  readonly hidden: readonly string[];
  readonly waitMs: number | undefined;
}

/**
 * What SendGrid's answer means.
 * @returns the result of `send`, as sdk/wit has it
 * @throws GtpackError `sendgrid_…` by its status, `http_response_invalid`
 */
export function readAnswer(response: HttpResponse, context: AnswerContext): string {
  const { status, headers } = response;
  const { origin, waitMs, hidden } = context;
  if (status === 200 || status === 202) {
    const [id] = valuesOf(headers, 'x-message-id');
    return JSON.stringify({ status, message_id: id !== undefined && MESSAGE_ID.test(id) ? id : null });
  }
  const words = errorWords(response, hidden);
  const told = words === '' ? '' : `: ${words}`;
  const timing = waitMs === undefined ? {} : { retryAfterMs: waitMs };
  switch (true) {
    case status === 400:
      throw new GtpackError(
        'sendgrid_invalid',
        `SendGrid refused the email${told || ' and does not say why'}.`,
      );
    case status === 401 || status === 403:
      throw new GtpackError(
        'sendgrid_unauthorized',
        `SendGrid does not let this key send the email (status ${status})${told}.`,
      );
    case status === 413:
      throw new GtpackError('sendgrid_too_large', `The email is larger than SendGrid takes${told}.`);
    case status === 429:
      throw rateLimited('sendgrid', origin, waitMs, words);
    case status >= 500:
      throw new GtpackError(
        'sendgrid_unavailable',
        `${origin} answered with status ${status}${told}.`,
        timing,
      );
    default:
      throw new GtpackError(
        'http_response_invalid',
        `${origin} answered with status ${status}, which is none of Mail Send’s${told}.`,
        { retryable: false },
      );
  }
}

/** `{ "errors": [{ "message", "field", "help" }] }`: the field and what is wrong with it. */
function errorWords({ body }: HttpResponse, hidden: readonly string[]): string {
  let json: unknown;
  try {
    json = parseBoundedJson(body.toString('utf8'), BOUNDS, 'The answer');
  } catch {
    return '';
  }
  const errors = member(json, 'errors');
  if (!Array.isArray(errors)) return '';
  const told = errors.slice(0, SHOWN_ERRORS).map((error: unknown) => {
    const [field, message] = [member(error, 'field'), member(error, 'message')];
    const place = typeof field === 'string' && field !== '' ? `${vendorText(field, hidden)}: ` : '';
    return `${place}${typeof message === 'string' ? vendorText(message, hidden) : ''}`;
  });
  const more = errors.length - told.length;
  return [...told.filter((text) => text !== ''), ...(more > 0 ? [`and ${more} more`] : [])]
    .join('; ')
    .replace(/\.$/, '');
}

function member(json: unknown, key: string): unknown {
  return typeof json === 'object' && json !== null && Object.hasOwn(json, key)
    ? (json as Record<string, unknown>)[key]
    : undefined;
}
