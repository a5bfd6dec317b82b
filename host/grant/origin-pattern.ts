import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { quoted } from '../event/names.ts';
import { Fault } from '../written/readers.ts';

/** One entry of a grant's `hosts`: a scheme, a host and a port, each checked against what is dialled. */
export interface OriginPattern {
  /** Canonical: `api.example.com`, `*.example.com`, `http://127.0.0.1:8080`, `*`. */
  readonly text: string;
  readonly protocol: 'https:' | 'http:';
  /** As `URL.hostname` gives it; `*` for any, `*.example.com` for every name below example.com. */
  readonly host: string;
  /** `*` for any. */
  readonly port: number | '*';
}

export const ORIGIN_FORM = 'a host such as "api.example.com", "*.example.com" or "http://127.0.0.1:8080"';

const DEFAULT_PORTS = { 'https:': 443, 'http:': 80 } as const;
const PATTERN = /^(?:(https?):\/\/)?(\*|(?:\*\.)?[^\s/\\@?#%:*[\]]+|\[[0-9a-fA-F:.]+\])(?::(\*|\d{1,5}))?$/;

/** `[https://|http://]HOST[:PORT]`; left out: https, and the port of the scheme. */
export function readOriginPattern(text: string): OriginPattern | Fault | undefined {
  const [, scheme = 'https', written, writtenPort] = PATTERN.exec(text) ?? [];
  if (written === undefined) {
    return /^(?:https?:\/\/)?[^/]+\/|@/.test(text)
      ? new Fault(`${ORIGIN_FORM} was expected, without a path or credentials; ${quoted(text)} came.`)
      : undefined;
  }
  const protocol = scheme === 'http' ? 'http:' : 'https:';
  const port = writtenPort === '*' ? '*' : Number(writtenPort ?? DEFAULT_PORTS[protocol]);
  if (port !== '*' && (port < 1 || port > 65_535)) return undefined;
  const host = readHost(written);
  if (host === undefined || host instanceof Fault) return host;
  return { text: originText(protocol, host, port), protocol, host, port };
}

function readHost(written: string): string | Fault | undefined {
  if (written === '*') return written;
  const wild = written.startsWith('*.');
  const name = wild ? written.slice(2) : written;
  const host = hostOf(name);
  if (host === undefined) return undefined;
  if (name.endsWith('.')) return new Fault(`Write the host ${quoted(written)} without the dot at its end.`);
  const numeric = isIP(host) !== 0 || host.startsWith('[');
  if (numeric && wild) return undefined;
  // The same address has many spellings; a reader of the bundle shall see which one is meant.
  if (numeric && host !== name.toLowerCase()) {
    return new Fault(`Write the address ${quoted(written)} as "${host}".`);
  }
  return wild ? `*.${host}` : host;
}

/** The host as the URL parser, and so the request, has it. */
function hostOf(name: string): string | undefined {
  if (!name.startsWith('[') && domainToASCII(name) === '') return undefined;
  return URL.parse(`https://${name}/`)?.hostname;
}

function originText(protocol: 'https:' | 'http:', host: string, port: number | '*'): string {
  const scheme = protocol === 'http:' ? 'http://' : '';
  return `${scheme}${host}${port === DEFAULT_PORTS[protocol] ? '' : `:${port}`}`;
}

export function originMatches(pattern: OriginPattern, { protocol, hostname, port }: URL): boolean {
  if (pattern.protocol !== protocol) return false;
  if (pattern.port !== '*' && pattern.port !== Number(port || DEFAULT_PORTS[pattern.protocol])) return false;
  if (pattern.host === '*' || pattern.host === hostname) return true;
  return pattern.host.startsWith('*.') && hostname.endsWith(pattern.host.slice(1)) && !isNumeric(hostname);
}

/** Whether every origin that `inner` matches is one that `outer` matches. */
export function originCovers(outer: OriginPattern, inner: OriginPattern): boolean {
  if (outer.protocol !== inner.protocol) return false;
  if (outer.port !== '*' && outer.port !== inner.port) return false;
  if (outer.host === '*' || outer.host === inner.host) return true;
  const name = inner.host.startsWith('*.') ? inner.host.slice(1) : inner.host;
  return outer.host.startsWith('*.') && name.endsWith(outer.host.slice(1)) && !isNumeric(inner.host);
}

function isNumeric(hostname: string): boolean {
  return hostname.startsWith('[') || isIP(hostname) !== 0;
}

/** The entry of `hosts` that grants just this origin. */
export function originGrant({ protocol, hostname, port }: URL): string {
  const known = protocol === 'http:' ? 'http:' : 'https:';
  return originText(known, hostname, Number(port || DEFAULT_PORTS[known]));
}
