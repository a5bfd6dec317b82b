import * as z from 'zod';
import { parseRate, type Rate } from '../written/rate.ts';
import { duration, Fault, fault, text } from '../written/readers.ts';
import type { Network } from './address.ts';
import type { WrittenCredential } from './http-credential.ts';
import { HttpGrant, networksShape } from './http-grant.ts';
import { type OriginPattern, readOriginPattern } from './origin-pattern.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** What is read of a vendor's answer. */
const MAX_RESPONSE_BYTES = 256 * KiB;
/** More than a guest can pass to the host: 4 Mi characters of up to three bytes each, written anew. */
const MAX_REQUEST_BYTES = 16 * MiB;

const ORIGIN = 'a URL such as "https://api.eu.sendgrid.com", with a scheme and without a path,';

/** What grants of vendors have in common, as people write them. */
export const accountKeys = {
  rate: text('a rate such as "10/s", "100/min", "1000/h" or "5000/d"', parseRate).optional(),
  base_url: text(ORIGIN, readBaseUrl).optional(),
  networks: networksShape().optional(),
  timeout: duration(1, 5 * 60_000).optional(),
};

export interface AccountFile {
  readonly rate?: Rate | undefined;
  readonly base_url?: OriginPattern | undefined;
  readonly networks?: readonly Network[] | undefined;
  readonly timeout?: number | undefined;
}

function readBaseUrl(written: string): OriginPattern | Fault | undefined {
  if (!/^https?:\/\//.test(written)) return undefined;
  const origin = readOriginPattern(written.replace(/\/$/, ''));
  if (origin === undefined || origin instanceof Fault) return origin;
  return origin.host.includes('*') || origin.port === '*' ? undefined : origin;
}

/** What is wrong with one key beside the rest of its grant. */
export interface GrantIssue {
  readonly code: 'custom';
  readonly path: string[];
  readonly message: string;
}

/** Plain HTTP carries the key in the clear, so it stays within networks of the operator's. */
export function accountIssues({ base_url, networks = [] }: AccountFile): GrantIssue[] {
  if (base_url === undefined || base_url.protocol === 'https:' || networks.length > 0) return [];
  const message =
    'The key goes out in plain HTTP only within networks of the operator’s. Write https, or name the network: networks: ["127.0.0.0/8"]';
  return [{ code: 'custom', path: ['base_url'], message }];
}

/** A vendor's API, as a grant of HTTP that no guest sees: one origin, POST alone, no redirects, the host's own credential. */
export function accountHttp(
  { networks, timeout, base_url }: AccountFile,
  home: string,
  credential: WrittenCredential,
): HttpGrant {
  const origin = base_url ?? readOriginPattern(home);
  if (origin === undefined || origin instanceof Fault) throw new TypeError(`${home} is no origin`);
  return new HttpGrant({
    hosts: [origin],
    methods: ['POST'],
    ...(networks === undefined ? {} : { networks: [...networks] }),
    ...(timeout === undefined ? {} : { timeout }),
    max_request: MAX_REQUEST_BYTES,
    max_response: MAX_RESPONSE_BYTES,
    redirects: 0,
    auth: [credential],
  });
}

/** Where a grant's only origin is. */
export function originOf({ hosts: [origin] }: HttpGrant): string {
  if (origin === undefined) throw new TypeError('a grant without hosts');
  return new URL(`${origin.protocol}//${origin.host}:${origin.port}`).origin;
}

/** A rate that no bundle says. */
export function defaultRate(written: string): Rate {
  const rate = parseRate(written);
  if (rate === undefined) throw new TypeError(`${written} is no rate`);
  return rate;
}

export const flag = z.boolean({ error: (issue) => fault('true or false', issue.input) });
