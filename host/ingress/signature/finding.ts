import type { IncomingHttpHeaders } from 'node:http';

/** A request as a signature covers it. */
export interface SignedRequest {
  /** Path and query, as sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** The bytes that came, before anything was unpacked or parsed. */
  readonly body: Buffer;
}

/** What a scheme finds in a request. `why` is for the operator, as what a sentence says of the header or the time. */
export type Finding =
  /** The header of the scheme is not there. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'verified' }
  | { readonly kind: 'wrong'; readonly why: string }
  /** The signature holds, and its time does not. */
  | { readonly kind: 'stale'; readonly why: string };

export const ABSENT: Finding = Object.freeze({ kind: 'absent' });
export const VERIFIED: Finding = Object.freeze({ kind: 'verified' });

export function wrong(why: string): Finding {
  return { kind: 'wrong', why };
}

/** One way of signing, with its keys. Checks are synchronous and keep nothing of a request. */
export interface SchemeCheck {
  readonly name: string;
  /** Lower-case. */
  readonly header: string;
  /** @param now milliseconds since the Unix epoch */
  check(request: SignedRequest, now: number): Finding;
}

/** A header that is to come once. Node joins those that came several times, but for a few that it makes a list of. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.join(', ');
}
