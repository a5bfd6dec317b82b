import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import type { IngestRequest } from '../sandbox/protocol.ts';

/** The parts of a request as the HTTP server hands them over. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Parsed query: a text, or the texts of a repeated name. */
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** Undefined where the request has no body. */
  readonly body: Buffer | undefined;
}

/**
 * Makes the request that a guest sees. Nothing of it is parsed: names and texts only.
 *
 * A header that came several times is joined with `, ` (RFC 9110, section 5.3); a query name that came several times is
 * joined with `,`, so that no value is lost and neither the first nor the last one wins unseen.
 *
 * @param verified the scheme that the host found the request signed by
 */
export function toIngestRequest(
  received: ReceivedRequest,
  route: { readonly handler: string | null; readonly eventType: string | null },
  verified: string | null,
  receivedAt: number,
): IngestRequest {
  const { url, body } = received;
  const queryStart = url.indexOf('?');
  const text = body === undefined || isUtf8(body);
  return {
    handler: route.handler,
    eventType: route.eventType,
    method: received.method,
    path: queryStart === -1 ? url : url.slice(0, queryStart),
    query: queryStart === -1 ? {} : joinedQuery(received.query),
    headers: guestHeaders(received.headers),
    body: body === undefined ? '' : body.toString(text ? 'utf8' : 'base64'),
    bodyEncoding: text ? 'utf8' : 'base64',
    verified,
    receivedAt,
  };
}

/** Credentials are for the host; a guest never sees them. */
function guestHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name in headers) {
    if (name === 'authorization' || name === 'cookie' || name === 'proxy-authorization') continue;
    const value = headers[name];
    if (value !== undefined) kept[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return kept;
}

function joinedQuery(query: ReceivedRequest['query']): Record<string, string> {
  // Without a prototype: a sender chooses the names, and `__proto__` is one of them.
  const joined: Record<string, string> = Object.create(null);
  for (const name in query) {
    const value = query[name];
    if (value !== undefined) joined[name] = typeof value === 'string' ? value : value.join(',');
  }
  return joined;
}
