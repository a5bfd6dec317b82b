/** Names are lower-case everywhere in this folder. */
export type Header = readonly [name: string, value: string];

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Visible characters, with spaces and tabs between them. */
const VALUE = /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/;

/** They say how long a message is, where it goes or what becomes of its connection: the host's to write. */
const HOST_OWNED = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'expect',
  'upgrade',
  'http2-settings',
  'te',
  'trailer',
]);

/** Meant for the next hop only (RFC 9110, section 7.6.1), so they say nothing to a guest. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * What still goes along when a redirect leaves the origin. Everything else stays: not only `authorization` and `cookie`
 * carry credentials, and nobody can list the names of all API keys.
 */
const KEPT_ACROSS_ORIGINS = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-type',
  'user-agent',
]);

export function isHeaderName(name: string): boolean {
  return TOKEN.test(name);
}

export function isHeaderValue(value: string): boolean {
  return VALUE.test(value);
}

export function isHostOwned(name: string): boolean {
  return HOST_OWNED.has(name) || name.startsWith('proxy-');
}

export function staysAcrossOrigins([name]: Header): boolean {
  return KEPT_ACROSS_ORIGINS.has(name);
}

/** Fetch's request-body-header names: without a body they would describe nothing. */
export function describesBody([name]: Header): boolean {
  return name.startsWith('content-');
}

export function valuesOf(headers: readonly Header[], wanted: string): string[] {
  return headers.filter(([name]) => name === wanted).map(([, value]) => value);
}

/** Without what is meant for the host itself, the names in `Connection` included. */
export function endToEnd(headers: readonly Header[]): Header[] {
  const named = new Set(
    valuesOf(headers, 'connection').flatMap((value) =>
      value.split(',').map((option) => option.trim().toLowerCase()),
    ),
  );
  return headers.filter(([name]) => !HOP_BY_HOP.has(name) && !named.has(name));
}

/** As sdk/wit has it: one text a name, repeated ones joined. */
export function joined(headers: readonly Header[]): { [name: string]: string } {
  const byName = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [value]);
    else values.push(value);
  }
  return Object.fromEntries([...byName].map(([name, values]) => [name, values.join(', ')]));
}
