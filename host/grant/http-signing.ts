import { Buffer } from 'node:buffer';
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import * as z from 'zod';
import { fault, mapping } from '../written/readers.ts';
import type { Secret } from './secret.ts';
import { secretName } from './secret-name.ts';

/**
 * `sign` of a grant of HTTP, as people write it: the host signs every body that goes out.
 *
 *     sign: { secret: WEBHOOK_SECRET, scheme: standard-webhooks }
 */
export const signShape = mapping({
  secret: secretName,
  scheme: z.literal('standard-webhooks', {
    error: (issue) => fault('"standard-webhooks"', issue.input),
  }),
});

const PREFIX = 'whsec_';
/** As the specification bounds a key. */
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;

/**
 * Signs by Standard Webhooks, version 1 (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
 * HMAC-SHA256 over `id.timestamp.body`, under a secret that is base64 with `whsec_` before it.
 */
export class HttpSigning {
  /** Name of the tenant's secret. */
  readonly secret: string;

  constructor({ secret }: z.output<typeof signShape>) {
    this.secret = secret;
  }

  /** The value of `webhook-signature`. @param timestampSeconds since the Unix epoch */
  signatureOf(secret: Secret, id: string, timestampSeconds: number, body: Buffer): string {
    const key = keyOf(secret) ?? Buffer.alloc(0);
    const hmac = createHmac('sha256', key).update(`${id}.${timestampSeconds}.`).update(body);
    return `v1,${hmac.digest('base64')}`;
  }

  /** Why a secret cannot sign; undefined for one that can. */
  faultOf(secret: Secret): string | undefined {
    return standardWebhooksKey(secret) === undefined
      ? `is not "${PREFIX}" and ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes in base64`
      : undefined;
  }
}

/** The symmetric key of Standard Webhooks; undefined for a secret that is none. */
export function standardWebhooksKey(secret: Secret): KeyObject | undefined {
  const bytes = keyOf(secret);
  const length = bytes?.length ?? 0;
  return bytes === undefined || length < MIN_KEY_BYTES || length > MAX_KEY_BYTES
    ? undefined
    : createSecretKey(bytes);
}

function keyOf(secret: Secret): Buffer | undefined {
  const written = secret.reveal();
  const base64 = written.startsWith(PREFIX) ? written.slice(PREFIX.length) : written;
  try {
    return Buffer.from(Uint8Array.fromBase64(base64, { lastChunkHandling: 'loose' }));
  } catch {
    return undefined;
  }
}
