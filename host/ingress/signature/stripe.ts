import { createHmac, type KeyObject } from 'node:crypto';
import type { StripeScheme } from '../../grant/signature-scheme.ts';
import { sameText } from './compare.ts';
import { ABSENT, headerOf, type SchemeCheck, wrong } from './finding.ts';
import { fresh, NO_TIMESTAMP, readSeconds } from './timestamp.ts';

/** Stripe sends one `v1` a secret that is in use; during rotation two. */
const MAX_PARTS = 16;

/**
 * `t=SECONDS,v1=HEX,…`: HMAC-SHA256 over `t.body` (docs.stripe.com/webhooks/signatures). `v0` and whatever else stands
 * there is passed over: it is signed with nothing that could be checked.
 */
export function stripeCheck(
  { name, header, toleranceMs }: StripeScheme,
  keys: readonly KeyObject[],
): SchemeCheck {
  return {
    name,
    header,
    check({ headers, body }, now) {
      const sent = headerOf(headers, header);
      if (sent === undefined) return ABSENT;
      const parts = sent.split(',', MAX_PARTS + 1).map((part) => part.trim());
      if (parts.length > MAX_PARTS) return wrong(`has more than ${MAX_PARTS} parts`);
      const [time, ...others] = valuesOf(parts, 't=');
      const signedAt = readSeconds(time);
      if (signedAt === undefined || others.length > 0) return wrong(NO_TIMESTAMP);
      const signatures = valuesOf(parts, 'v1=');
      if (signatures.length === 0) return wrong('has no v1');
      for (const key of keys) {
        const made = createHmac('sha256', key).update(`${time}.`).update(body).digest('hex');
        if (signatures.some((signature) => sameText(made, signature)))
          return fresh(signedAt, toleranceMs, now);
      }
      return wrong('is not what any of the secrets makes of this request');
    },
  };
}

function valuesOf(parts: readonly string[], start: string): string[] {
  return parts.filter((part) => part.startsWith(start)).map((part) => part.slice(start.length));
}
