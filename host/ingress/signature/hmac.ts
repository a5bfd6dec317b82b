import type { Buffer } from 'node:buffer';
import { createHmac, type KeyObject } from 'node:crypto';
import type { HmacScheme } from '../../grant/signature-scheme.ts';
import { sameText } from './compare.ts';
import { ABSENT, headerOf, type SchemeCheck, VERIFIED, wrong } from './finding.ts';
import { fresh, readInstant } from './timestamp.ts';

/** One HMAC in one header: GitHub, Shopify, Slack, and every scheme that a bundle describes. */
export function hmacCheck(scheme: HmacScheme, keys: readonly KeyObject[]): SchemeCheck {
  const { name, header, prefix, timestamp } = scheme;
  return {
    name,
    header,
    check({ headers, body }, now) {
      const sent = headerOf(headers, header);
      if (sent === undefined) return ABSENT;
      const written = timestamp === null ? undefined : headerOf(headers, timestamp.header);
      const signedAt = readInstant(written);
      if (timestamp !== null && signedAt === undefined) {
        return wrong(`has no timestamp beside it in ${timestamp.header}`);
      }
      if (!sent.startsWith(prefix)) return wrong(`does not begin with ${JSON.stringify(prefix)}`);
      const signature = spelled(sent.slice(prefix.length), scheme);
      for (const key of keys) {
        if (!sameText(made(scheme, key, written ?? '', body), signature)) continue;
        return timestamp === null || signedAt === undefined
          ? VERIFIED
          : fresh(signedAt, timestamp.toleranceMs, now);
      }
      return wrong('is not what any of the secrets makes of this request');
    },
  };
}

/** Two spellings are common: hex in capitals, and base64url with the padding that its definition leaves open. */
function spelled(sent: string, { encoding }: HmacScheme): string {
  if (encoding === 'hex') return sent.toLowerCase();
  return encoding === 'base64url' ? sent.replace(/={1,2}$/, '') : sent;
}

function made(
  { algorithm, encoding, payload }: HmacScheme,
  key: KeyObject,
  timestamp: string,
  body: Buffer,
): string {
  const hmac = createHmac(algorithm, key);
  for (const part of payload) {
    if (part.kind === 'body') hmac.update(body);
    else hmac.update(part.kind === 'timestamp' ? timestamp : part.text);
  }
  return hmac.digest(encoding);
}
