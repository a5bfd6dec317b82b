import * as z from 'zod';
import { count, duration, Fault, fault, mapping, size, text } from '../written/readers.ts';
import { type Address, type Network, networkHolds, readNetwork } from './address.ts';
import { SIGNATURE_HEADERS } from './header-names.ts';
import { authShape, HttpCredential } from './http-credential.ts';
import { HttpSigning, signShape } from './http-signing.ts';
import {
  ORIGIN_FORM,
  type OriginPattern,
  originCovers,
  originMatches,
  readOriginPattern,
} from './origin-pattern.ts';

const MAX_ENTRIES = 100;
const KiB = 1024;

const METHOD = /^[A-Z][A-Z0-9-]{0,31}$/;
/** CONNECT opens a tunnel past every check; TRACE sends a request's secrets back. */
const REFUSED_METHODS = new Set(['CONNECT', 'TRACE', 'TRACK']);

/**
 * `http` of a provider's grants, as people write it. Only `hosts` is needed.
 *
 *     http:
 *       hosts: ["api.example.com", "*.example.org:8443", "http://127.0.0.1:8080"]
 *       methods: [GET, POST]          # default: GET and HEAD
 *       networks: ["127.0.0.0/8"]     # networks that are not public; default: none
 *       timeout: 10s                  # of a call from start to end, redirects included; default 10s
 *       max_request: 1MiB             # body; default 1MiB
 *       max_response: 1MiB            # body, as it comes and again when it is unpacked; default 1MiB
 *       redirects: 3                  # followed, each one checked like a request of its own; default 0: the guest gets the 3xx
 *       auth: API_KEY                 # credentials that the host attaches; see http-credential.ts
 *       sign: { secret: WEBHOOK_SECRET, scheme: standard-webhooks }   # signs every body; see http-signing.ts
 *
 * An entry of `hosts` is `[SCHEME://]HOST[:PORT]`. It means https and the scheme's own port unless it says otherwise; the
 * host may be `*.NAME` for every name below NAME, or `*` for any, and the port `*` for any.
 */
export const httpGrantShape = mapping({
  hosts: list(text(ORIGIN_FORM, readOriginPattern), 'a list of hosts'),
  methods: list(text('a method in capitals, such as "POST",', readMethod), 'a list of methods').optional(),
  networks: networksShape().optional(),
  timeout: duration(1, 5 * 60_000).optional(),
  max_request: size(0, 16 * KiB * KiB).optional(),
  max_response: size(0, 16 * KiB * KiB).optional(),
  redirects: count(0, 10).optional(),
  auth: authShape.optional(),
  sign: signShape.optional(),
}).superRefine((file, context) => {
  for (const { path, message } of credentialFaults(file)) {
    context.addIssue({ code: 'custom', path: ['auth', ...path], message });
  }
});

interface Written {
  readonly hosts: readonly OriginPattern[];
  readonly networks?: readonly Network[] | undefined;
  readonly auth?: z.output<typeof authShape> | undefined;
  readonly sign?: z.output<typeof signShape> | undefined;
}

interface CredentialFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What is wrong with a credential beside the rest of its grant. */
function credentialFaults({ hosts, networks = [], auth = [], sign }: Written): CredentialFault[] {
  const signed = sign === undefined ? [] : Object.values<string>(SIGNATURE_HEADERS);
  return auth.flatMap(({ path, header = '', hosts: own }) => [
    ...(own ?? hosts).flatMap((host, at) => {
      const message = hostFault(host, hosts, networks);
      return message === undefined
        ? []
        : [{ path: own === undefined ? path : [...path, 'hosts', at], message }];
    }),
    ...(signed.includes(header)
      ? [{ path: [...path, 'header'], message: `The header ${header} is that of the signature.` }]
      : []),
  ]);
}

function hostFault(
  host: OriginPattern,
  granted: readonly OriginPattern[],
  networks: readonly Network[],
): string | undefined {
  if (!granted.some((outer) => originCovers(outer, host))) {
    return `The grant does not allow the host ${host.text}, so no credential goes there. Add it to the grant's hosts.`;
  }
  if (host.host === '*') {
    return `A credential may not go to any host, as ${host.text} says. Name its hosts: auth: { secret: …, hosts: ["api.example.com"] }`;
  }
  if (host.protocol === 'http:' && networks.length === 0) {
    return `A credential goes to ${host.text} in plain HTTP only within networks of the operator's. Write https, or name the network in the grant: networks: ["127.0.0.0/8"]`;
  }
  return undefined;
}

export type HttpGrantFile = z.output<typeof httpGrantShape>;

/** Networks that are not public, where a grant allows them all the same. */
export function networksShape(): z.ZodArray<z.ZodType<Network>> {
  return list(text('a network such as "10.0.0.0/8" or "fd00::/8"', readWrittenNetwork), 'a list of networks');
}

/** 1 to 100 entries. */
export function list<T>(entry: z.ZodType<T>, expected: string): z.ZodArray<z.ZodType<T>> {
  const error = (issue: { readonly input?: unknown }) => fault(expected, issue.input);
  const bound = { error: `1 to ${MAX_ENTRIES} entries were expected.` };
  return z.array(entry, { error }).min(1, bound).max(MAX_ENTRIES, bound);
}

function readMethod(written: string): string | Fault | undefined {
  if (REFUSED_METHODS.has(written.toUpperCase()))
    return new Fault(`The method ${written} cannot be granted.`);
  return METHOD.test(written) ? written : undefined;
}

function readWrittenNetwork(written: string): Network | Fault | undefined {
  const network = readNetwork(written);
  if (network === undefined || network.text === written.toLowerCase()) return network;
  return new Fault(`Write the network "${written}" as "${network.text}".`);
}

/**
 * Where a provider may send HTTP requests, and how much it may send and get. Parsed once from the bundle; the checks
 * live on this type and are applied to what is dialled: the origin and method, then each resolved address, then each
 * redirect again.
 */
export class HttpGrant {
  readonly hosts: readonly OriginPattern[];
  readonly methods: readonly string[];
  readonly networks: readonly Network[];
  /** Of a whole call, redirects included. */
  readonly timeoutMs: number;
  /** Of a request's body. */
  readonly maxRequestBytes: number;
  /** Of a response's body: as it comes, and again when it is unpacked. */
  readonly maxResponseBytes: number;
  /** How many are followed; with 0 the guest gets the 3xx itself. */
  readonly redirects: number;
  readonly credentials: readonly HttpCredential[];
  readonly signing: HttpSigning | null;

  constructor(file: HttpGrantFile) {
    this.hosts = file.hosts;
    this.methods = file.methods ?? ['GET', 'HEAD'];
    this.networks = file.networks ?? [];
    this.timeoutMs = file.timeout ?? 10_000;
    this.maxRequestBytes = file.max_request ?? KiB * KiB;
    this.maxResponseBytes = file.max_response ?? KiB * KiB;
    this.redirects = file.redirects ?? 0;
    this.credentials = (file.auth ?? []).map((written) => new HttpCredential(written, file.hosts));
    this.signing = file.sign === undefined ? null : new HttpSigning(file.sign);
  }

  /** Scheme, host and port together. */
  allowsOrigin(url: URL): boolean {
    return this.hosts.some((pattern) => originMatches(pattern, url));
  }

  /** The first credential that goes there. @param secret of that name only; null for any */
  credentialFor(url: URL, secret: string | null): HttpCredential | undefined {
    return this.credentials.find(
      (credential) => (secret === null || credential.secret === secret) && credential.goesTo(url),
    );
  }

  allowsMethod(method: string): boolean {
    return this.methods.includes(method);
  }

  /** Public addresses, and those of the networks that the grant names. */
  allowsAddress(address: Address): boolean {
    return address.special === null || this.networks.some((network) => networkHolds(network, address));
  }
}

/** The grant that checked YAML means. */
export function parseHttpGrant(file: HttpGrantFile): HttpGrant {
  return new HttpGrant(file);
}
