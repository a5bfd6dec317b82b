import { GtpackError } from '../../errors.ts';
import { describesBody, staysAcrossOrigins } from '../../grant/header-names.ts';
import { valuesOf } from './header.ts';
import { type Hop, urlFault } from './request.ts';
import type { HttpResponse } from './response.ts';

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * The request that a response asks for instead, by the rules of Fetch (section 4.4, HTTP-redirect fetch), but stricter in
 * what crosses origins. It is not checked against any grant.
 * @returns undefined for a response that redirects nowhere
 * @throws GtpackError `http_response_invalid`, `capability_denied`
 */
export function redirectOf(hop: Hop, { status, headers }: HttpResponse): Hop | undefined {
  if (!REDIRECTS.has(status)) return undefined;
  const [location, ...more] = valuesOf(headers, 'location');
  if (location === undefined) return undefined;
  const url = more.length === 0 ? URL.parse(location, hop.url) : null;
  if (url === null) {
    throw new GtpackError('http_response_invalid', `${hop.url.origin} redirects to no single URL.`);
  }
  const fault = urlFault(url);
  if (fault !== undefined) {
    throw new GtpackError(
      'capability_denied',
      `The redirect of ${hop.url.origin} was refused: its URL ${fault}.`,
    );
  }
  // H6, for the guest's headers as for the credentials that the host attached.
  const leaves = url.origin !== hop.url.origin;
  const kept = leaves ? hop.headers.filter(([name]) => staysAcrossOrigins(name)) : hop.headers;
  if (!becomesGet(status, hop.method)) return { ...hop, url, headers: kept };
  return { url, method: 'GET', headers: kept.filter(([name]) => !describesBody(name)), body: null };
}

function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== 'GET' && method !== 'HEAD';
  return (status === 301 || status === 302) && method === 'POST';
}
