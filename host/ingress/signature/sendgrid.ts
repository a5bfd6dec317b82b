import { Buffer } from 'node:buffer';
import { createVerify, type KeyObject } from 'node:crypto';
import type { SendgridScheme } from '../../grant/signature-scheme.ts';
import { ABSENT, headerOf, type SchemeCheck, wrong } from './finding.ts';
import { fresh, NO_TIMESTAMP, readSeconds } from './timestamp.ts';

const TIMESTAMP_HEADER = 'x-twilio-email-event-webhook-timestamp';
/** Base64 of the DER of two numbers of 32 bytes, which is 8 to 72 bytes long. */
const SIGNATURE = /^(?:[A-Za-z0-9+/]{4}){2,24}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * SendGrid's Event Webhook and Inbound Parse: ECDSA on P-256 with SHA-256 over the timestamp and the body. Nothing
 * stands between the two; that the timestamp has ten digits keeps those of the body out of it.
 */
export function sendgridCheck(
  { name, header, toleranceMs }: SendgridScheme,
  keys: readonly KeyObject[],
): SchemeCheck {
  return {
    name,
    header,
    check({ headers, body }, now) {
      const sent = headerOf(headers, header);
      if (sent === undefined) return ABSENT;
      const time = headerOf(headers, TIMESTAMP_HEADER);
      const signedAt = readSeconds(time);
      if (time === undefined || signedAt === undefined) return wrong(NO_TIMESTAMP);
      if (!SIGNATURE.test(sent)) return wrong('is not base64 of a signature');
      const signature = Buffer.from(sent, 'base64');
      const holds = keys.some((key) =>
        createVerify('sha256').update(time).update(body).verify({ key, dsaEncoding: 'der' }, signature),
      );
      return holds
        ? fresh(signedAt, toleranceMs, now)
        : wrong('was not made of this request by the owner of any of the keys');
    },
  };
}
