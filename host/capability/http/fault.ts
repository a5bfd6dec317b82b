import { GtpackError } from '../../errors.ts';

/** The longest that the header section of a response may be, in bytes of names and values. */
export const MAX_RESPONSE_HEADER_BYTES = 16 * 1024;

/**
 * What a connection's failure means to a guest. Addresses, ports and texts of libraries stay in `cause`.
 * @param begun something of the request went out: whether the other side did what it asks for is not known then
 */
export function networkFault(error: unknown, origin: string, begun = false): GtpackError {
  if (error instanceof GtpackError) return error;
  const code = codeOf(error);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new GtpackError(
      'http_response_too_large',
      `The headers of the response of ${origin} are longer than ${MAX_RESPONSE_HEADER_BYTES} bytes.`,
      { cause: error },
    );
  }
  if (isNotHttp(error, code)) {
    return new GtpackError(
      'http_response_invalid',
      `${origin} answered with something that is not HTTP/1.1.`,
      {
        cause: error,
      },
    );
  }
  if (begun) {
    return new GtpackError(
      'http_interrupted',
      `${origin} broke the connection before its response was complete: it may have done what the request asks for.`,
      { cause: error },
    );
  }
  return new GtpackError('http_unreachable', `${origin} ${reasons.get(code) ?? 'cannot be reached'}.`, {
    cause: error,
  });
}

/** The library asserts what its parser gave it, so a failed assertion is the server's doing, too. */
function isNotHttp(error: unknown, code: string): boolean {
  if (error instanceof Error && error.name === 'HTTPParserError') return true;
  return code === 'ERR_ASSERTION' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
}

const reasons: ReadonlyMap<string, string> = new Map([
  ['ENOTFOUND', 'has a host name that does not resolve'],
  ['EAI_AGAIN', 'has a host name that does not resolve at the moment'],
  ['ECONNREFUSED', 'refuses connections'],
  ['ECONNRESET', 'broke the connection'],
  ['EPIPE', 'broke the connection'],
  ['UND_ERR_SOCKET', 'closed the connection'],
]);

/** A handshake's failure, once the connection stood. */
export function handshakeFault(error: unknown, origin: string): GtpackError {
  const code = codeOf(error);
  if (BROKEN.has(code)) return networkFault(error, origin);
  return new GtpackError(
    'http_tls_failed',
    `${origin} cannot be trusted: its TLS handshake failed (${code}).`,
    {
      cause: error,
    },
  );
}

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
