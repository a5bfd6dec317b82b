/** Which headers of an outbound request are whose. Names are lower-case. */

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

/** Standard Webhooks, version 1. */
export const SIGNATURE_HEADERS = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
} as const;

export function isHeaderName(name: string): boolean {
  return TOKEN.test(name);
}

export function isHeaderValue(value: string): boolean {
  return VALUE.test(value);
}

export function isHostOwned(name: string): boolean {
  return HOST_OWNED.has(name) || name.startsWith('proxy-');
}

export function staysAcrossOrigins(name: string): boolean {
  return KEPT_ACROSS_ORIGINS.has(name);
}

/** Without its body the header would describe nothing. */
export function describesBody(name: string): boolean {
  return name.startsWith('content-') || Object.values<string>(SIGNATURE_HEADERS).includes(name);
}
