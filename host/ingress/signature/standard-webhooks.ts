import { Buffer } from 'node:buffer';
import { createHmac, type KeyObject, verify } from 'node:crypto';
import { SIGNATURE_HEADERS } from '../../grant/header-names.ts';
import type { StandardWebhooksScheme } from '../../grant/signature-scheme.ts';
import { sameText } from './compare.ts';
import { ABSENT, headerOf, type SchemeCheck, wrong } from './finding.ts';
import { fresh, NO_TIMESTAMP, readSeconds } from './timestamp.ts';

/** Each `v1a` costs a hash of the body for every public key; a sender in rotation has two. */
const MAX_SIGNATURES = 8;
/** No full stop, which parts the id from the time: the specification asks senders for that, and this is why. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,256}$/;
/** 64 bytes in base64, in their one spelling. */
const ED25519 = /^[A-Za-z0-9+/]{85}[AQgw]==$/;

/**
 * Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md): `v1`, which is
 * HMAC-SHA256, and `v1a`, which is Ed25519, over `id.timestamp.body`.
 */
export function standardWebhooksCheck(
  { name, header, toleranceMs }: StandardWebhooksScheme,
  keys: readonly KeyObject[],
): SchemeCheck {
  const shared = keys.filter(({ type }) => type === 'secret');
  const publics = keys.filter(({ type }) => type === 'public');
  return {
    name,
    header,
    check({ headers, body }, now) {
      const sent = headerOf(headers, header);
      if (sent === undefined) return ABSENT;
      const id = headerOf(headers, SIGNATURE_HEADERS.id);
      if (id === undefined || !ID.test(id))
        return wrong(`has no ${SIGNATURE_HEADERS.id} without "." beside it`);
      const time = headerOf(headers, SIGNATURE_HEADERS.timestamp);
      const signedAt = readSeconds(time);
      if (signedAt === undefined) return wrong(NO_TIMESTAMP);
      const signatures = sent.split(' ', MAX_SIGNATURES + 1).filter((part) => part !== '');
      if (signatures.length > MAX_SIGNATURES) return wrong(`has more than ${MAX_SIGNATURES} parts`);
      const head = `${id}.${time}.`;
      const isShared = shared.some((key) => {
        const made = createHmac('sha256', key).update(head).update(body).digest('base64');
        return signatures.some((signature) => sameText(`v1,${made}`, signature));
      });
      if (isShared || signedByPublic(publics, signatures, head, body))
        return fresh(signedAt, toleranceMs, now);
      return wrong('is not what any of the secrets makes of this request');
    },
  };
}

function signedByPublic(
  keys: readonly KeyObject[],
  signatures: readonly string[],
  head: string,
  body: Buffer,
): boolean {
  if (keys.length === 0) return false;
  const sent = signatures
    .filter((signature) => signature.startsWith('v1a,'))
    .map((signature) => signature.slice('v1a,'.length))
    .filter((base64) => ED25519.test(base64));
  if (sent.length === 0) return false;
  const content = Buffer.concat([Buffer.from(head, 'utf8'), body]);
  return sent.some((base64) => keys.some((key) => verify(null, content, key, Buffer.from(base64, 'base64'))));
}
