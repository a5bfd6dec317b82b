import { Buffer } from 'node:buffer';
import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { standardWebhooksKey } from './http-signing.ts';
import type { Secret } from './secret.ts';
import type { SignatureScheme } from './signature-scheme.ts';

/**
 * The key that a secret is to a scheme. Made once: a key object shows nothing of itself when it is printed.
 * @throws TypeError for a secret that `signatureKeyFault` finds wrong
 */
export function signatureKey(kind: SignatureScheme['kind'], secret: Secret): KeyObject {
  const key = readKey(kind, secret);
  if (typeof key === 'string') throw new TypeError(`${secret} ${key}`);
  return key;
}

/** Why no signature could be checked by a secret, as what a sentence says of it; undefined for one that does. */
export function signatureKeyFault(kind: SignatureScheme['kind'], secret: Secret): string | undefined {
  const key = readKey(kind, secret);
  return typeof key === 'string' ? key : undefined;
}

function readKey(kind: SignatureScheme['kind'], secret: Secret): KeyObject | string {
  switch (kind) {
    case 'hmac':
    case 'stripe':
    case 'twilio':
      return textKey(secret.reveal());
    case 'standard-webhooks':
      return secret.reveal().startsWith(PUBLIC_PREFIX)
        ? ed25519Key(secret.reveal().slice(PUBLIC_PREFIX.length))
        : (standardWebhooksKey(secret) ?? WEBHOOKS_FORM);
    case 'sendgrid':
      return p256Key(secret.reveal());
  }
}

/** Vendors' secrets are texts; a space or line break at an end comes of copying, and no signature would ever hold. */
function textKey(value: string): KeyObject | string {
  if (value !== value.trim()) return 'begins or ends with white space, which no vendor signs with';
  return createSecretKey(value, 'utf8');
}

const PUBLIC_PREFIX = 'whpk_';
const WEBHOOKS_FORM =
  'is not "whsec_" and 24 to 64 bytes in base64, nor "whpk_" and the 32 bytes of an Ed25519 public key';
/** RFC 8410: what stands before the 32 bytes in a SubjectPublicKeyInfo. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

function ed25519Key(base64: string): KeyObject | string {
  const raw = bytesOf(base64);
  if (raw?.length !== 32) return WEBHOOKS_FORM;
  return createPublicKey({ key: Buffer.concat([ED25519_SPKI, raw]), format: 'der', type: 'spki' });
}

const P256_FORM = 'is not the public key that SendGrid shows: base64 of a P-256 key';

function p256Key(base64: string): KeyObject | string {
  const der = bytesOf(base64.trim());
  if (der === undefined) return P256_FORM;
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    const { namedCurve } = key.asymmetricKeyDetails ?? {};
    return key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1' ? key : P256_FORM;
  } catch {
    return P256_FORM;
  }
}

function bytesOf(base64: string): Buffer | undefined {
  try {
    return Buffer.from(Uint8Array.fromBase64(base64));
  } catch {
    return undefined;
  }
}
