import type { GuestProblem } from '../contract.ts';
import { ERROR_CODES, type ErrorCode, GtpackError } from '../errors.ts';

/** An error as a sender sees it: a status and `{ "code", "message" }`, nothing else. */
export interface Refusal {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
  /** Seconds for `Retry-After`, where the same request may succeed later. */
  readonly retryAfter?: number;
}

const MAX_MESSAGE_CHARACTERS = 1000;
const GUEST_CODE = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/** A refusal by the table of codes. `status` overrides the table's. */
export function refusal(code: string, message: string, status: number, retryable: boolean): Refusal {
  const text =
    message.length > MAX_MESSAGE_CHARACTERS ? `${message.slice(0, MAX_MESSAGE_CHARACTERS)}…` : message;
  const body = `{"code":${JSON.stringify(code)},"message":${JSON.stringify(text)}}`;
  return retryable ? { status, body, retryAfter: 1 } : { status, body };
}

export function refusalOf(code: ErrorCode, message: string): Refusal {
  const { status, retryable } = ERROR_CODES[code];
  return refusal(code, message, status, retryable);
}

/**
 * The host's error about a guest or a call, by its code. A code that the table does not hold says nothing that a
 * sender could rely on, so it becomes `host_failed`.
 */
export function refusalOfJobError(code: string, message: string): Refusal {
  return Object.hasOwn(ERROR_CODES, code)
    ? refusalOf(code as ErrorCode, message)
    : refusalOf('host_failed', 'The host failed on this request.');
}

/** A guest's own typed error: the sender's fault, or something that passes. Its texts are bounded, its code is a token. */
export function refusalOfProblem(problem: GuestProblem): Refusal {
  const code = GUEST_CODE.test(problem.code) ? problem.code : 'guest_refused';
  const message = problem.message === '' ? 'The provider refused the request.' : problem.message;
  return refusal(code, message, problem.retryable ? 503 : 400, problem.retryable);
}

/** A thrown error; what is not the host's own tells the sender nothing of the host's inside. */
export function refusalOfError(error: unknown): Refusal {
  if (!(error instanceof GtpackError)) {
    return refusalOf('host_failed', 'The host failed on this request.');
  }
  // The place of a problem is a path on the host's disk; only its words go out.
  const [problem] = error.problems;
  const refused = refusal(error.code, problem.message, error.status, error.retryable);
  const { retryAfterMs } = error;
  if (retryAfterMs === undefined || !error.retryable) return refused;
  return { ...refused, retryAfter: Math.max(1, Math.ceil(retryAfterMs / 1000)) };
}

/** The four ways in which Fastify itself refuses, in our words. */
export function refusalOfFramework(error: { readonly code?: string; readonly statusCode?: number }): Refusal {
  switch (error.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return refusalOf(
        'content_type_invalid',
        'The header content-type is not a media type such as application/json.',
      );
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refusalOf('body_too_large', 'The body is larger than this host takes.');
    case 'FST_ERR_BAD_URL':
      return refusalOf('request_invalid', 'The URL holds a percent sign that encodes nothing.');
    default:
      return error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500
        ? refusalOf('request_invalid', 'The request is not valid HTTP.')
        : refusalOf('host_failed', 'The host failed on this request.');
  }
}

/** What Node's HTTP parser refuses before there is a request. */
export function refusalOfConnection(code: string | undefined): Refusal {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return refusalOf('headers_too_large', 'The request line and headers are larger than 16 KiB.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refusalOf('request_timeout', 'The request did not arrive in time.');
    default:
      return refusalOf('request_invalid', 'The request is not valid HTTP/1.1.');
  }
}
