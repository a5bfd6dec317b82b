import { Buffer } from 'node:buffer';
import * as z from 'zod';
import { Fault, fault, mapping, text } from '../written/readers.ts';
import { isHeaderName, isHeaderValue, isHostOwned, staysAcrossOrigins } from './header-names.ts';
import { ORIGIN_FORM, type OriginPattern, originMatches, readOriginPattern } from './origin-pattern.ts';
import type { Secret } from './secret.ts';
import { secretName } from './secret-name.ts';

/**
 * `auth` of a grant of HTTP, as people write it: the credentials that the host attaches to requests. The name of a
 * secret, a mapping, or a list of these.
 *
 *     auth: API_KEY             # Authorization: Bearer <secret>, to every host of the grant
 *
 *     auth:
 *       - { secret: API_KEY, header: x-api-key, hosts: ["api.example.com"] }
 *       - { secret: PASSWORD, scheme: basic, user: shop, hosts: ["old.example.com"] }
 *
 * `scheme` is `bearer` unless it is `basic`. With bearer, `header` names another header than authorization, and
 * `prefix` what stands before the secret there: by default `"Bearer "` in authorization and nothing in any other. With
 * basic, `user` is the user name; without it the secret is `USER:PASSWORD`. `hosts` says where the credential goes, of
 * the hosts of the grant; by default to all of them.
 */

const MAX_CREDENTIALS = 16;
const MAX_HOSTS = 100;
const AUTHORIZATION = 'authorization';

const credentialShape = mapping({
  secret: secretName,
  scheme: z
    .enum(['bearer', 'basic'], { error: (issue) => fault('"bearer" or "basic"', issue.input) })
    .optional(),
  user: text('a user name without ":" and control characters, at most 256,', readUser).optional(),
  header: text('the name of a header, such as "x-api-key",', readHeader).optional(),
  prefix: text('a text of visible characters and spaces, at most 64,', readPrefix).optional(),
  hosts: z
    .array(text(ORIGIN_FORM, readOriginPattern), { error: (issue) => fault('a list of hosts', issue.input) })
    .min(1, { error: 'At least one host was expected.' })
    .max(MAX_HOSTS, { error: `At most ${MAX_HOSTS} hosts were expected.` })
    .optional(),
});

type CredentialFile = z.output<typeof credentialShape>;

/** Where a message about the value of an entry points to: the path below `auth`. */
export interface WrittenCredential extends CredentialFile {
  readonly path: readonly (string | number)[];
}

/** A list is read as one of entries, anything else as the only entry, so that each problem has its own place. */
export const authShape: z.ZodType<readonly WrittenCredential[]> = z
  .unknown()
  .transform((written, context) => {
    const entries = Array.isArray(written) ? written.map((entry, at) => ({ entry, path: [at] })) : [];
    if (!Array.isArray(written)) entries.push({ entry: written, path: [] });
    if (entries.length === 0 || entries.length > MAX_CREDENTIALS) {
      context.addIssue({ code: 'custom', message: `1 to ${MAX_CREDENTIALS} credentials were expected.` });
      return z.NEVER;
    }
    return entries.map(({ entry, path }) => {
      const named = typeof entry === 'string';
      const parsed = credentialShape.safeParse(named ? { secret: entry } : entry);
      const issues = parsed.success ? combinationIssues(parsed.data) : parsed.error.issues;
      for (const issue of issues) {
        context.addIssue({ ...issue, path: named ? [...path] : [...path, ...issue.path] } as never);
      }
      return parsed.success && issues.length === 0 ? { ...parsed.data, path } : z.NEVER;
    });
  });

function combinationIssues({ scheme, user, header, prefix }: CredentialFile) {
  const stray = scheme === 'basic' ? { header, prefix } : { user };
  return Object.entries(stray)
    .filter(([, value]) => value !== undefined)
    .map(([key]) => ({
      code: 'custom' as const,
      path: [key],
      message: `${key} has no meaning with the scheme ${scheme ?? 'bearer'}. Leave it out, or choose the other scheme.`,
    }));
}

function readUser(written: string): string | undefined {
  return written.length > 256 || /[:\p{Cc}]/u.test(written) ? undefined : written;
}

function readHeader(written: string): string | Fault | undefined {
  const name = written.toLowerCase();
  if (!isHeaderName(name) || name.length > 128) return undefined;
  if (isHostOwned(name)) return new Fault(`The header ${name} is the host's to write.`);
  // It would go along where a redirect leaves the origin.
  if (staysAcrossOrigins(name)) return new Fault(`The header ${name} carries no credentials.`);
  return name;
}

function readPrefix(written: string): string | undefined {
  return written.length <= 64 && /^(?:[\x21-\x7e][\x20-\x7e]*)?$/.test(written) ? written : undefined;
}

/** A credential that the host attaches to the requests of one grant. */
export class HttpCredential {
  /** Name of the tenant's secret that it is made of. */
  readonly secret: string;
  /** Lower-case. */
  readonly header: string;
  readonly #hosts: readonly OriginPattern[];
  readonly #write: (secret: string) => string;
  readonly #pair: boolean;

  /** @param granted the hosts of the grant */
  constructor(
    { secret, scheme, user, header = AUTHORIZATION, prefix, hosts }: CredentialFile,
    granted: readonly OriginPattern[],
  ) {
    this.secret = secret;
    this.header = header;
    this.#hosts = hosts ?? granted;
    this.#pair = scheme === 'basic' && user === undefined;
    const before = prefix ?? (header === AUTHORIZATION ? 'Bearer ' : '');
    this.#write =
      scheme === 'basic'
        ? (value) => basic(user === undefined ? value : `${user}:${value}`)
        : (value) => `${before}${value}`;
  }

  goesTo(url: URL): boolean {
    return this.#hosts.some((pattern) => originMatches(pattern, url));
  }

  /** What is sent in the header. */
  valueOf(secret: Secret): string {
    return this.#write(secret.reveal());
  }

  /** Why a secret cannot be sent as this; undefined for one that can. */
  faultOf(secret: Secret): string | undefined {
    if (this.#pair && !secret.reveal().includes(':'))
      return 'is not USER:PASSWORD, as basic without a user needs it';
    return isHeaderValue(this.valueOf(secret))
      ? undefined
      : `holds characters that the header ${this.header} cannot carry`;
  }
}

/** RFC 7617, in UTF-8. */
function basic(pair: string): string {
  return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
}
