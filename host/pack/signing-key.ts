import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { blake3 } from 'hash-wasm';
import { GtpackError } from '../errors.ts';

/** Keys of publishers: Ed25519 (RFC 8032), as PEM in PKCS #8 and SubjectPublicKeyInfo (RFC 8410). */

/** Half of a key pair that only its publisher has. */
export interface SigningKey {
  readonly publicKey: PublisherKey;
  /** @returns the 64 bytes of the signature */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** Who signed. */
export interface PublisherKey {
  /** The 32 bytes of RFC 8032. */
  readonly raw: Uint8Array;
  /** BLAKE3 of the raw key, hex: what people compare and what bundles trust. */
  readonly fingerprint: string;
}

export interface KeyPairText {
  /** PEM, `PRIVATE KEY`. */
  readonly privateKey: string;
  /** PEM, `PUBLIC KEY`. */
  readonly publicKey: string;
}

const ALGORITHM = 'ed25519';
const CURE = 'Make one with "gtpack keygen FILE".';

export function generateKeyPair(): KeyPairText {
  const { privateKey, publicKey } = generateKeyPairSync(ALGORITHM, {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { privateKey, publicKey };
}

/** @throws GtpackError `key_invalid`; the message never shows the text */
export async function parseSigningKey(pem: string, file: string): Promise<SigningKey> {
  const key = parseKey(() => createPrivateKey(pem), 'a private key in PEM', file);
  return {
    publicKey: await publisherKey(createPublicKey(key)),
    sign: (message) => sign(null, message, key),
  };
}

/**
 * A public key, or the public key of a certificate.
 * @throws GtpackError `key_invalid`
 */
export async function parsePublicKey(pem: string, file: string): Promise<PublisherKey> {
  if (pem.includes('PRIVATE KEY')) {
    throw new GtpackError('key_invalid', 'A public key in PEM was expected; a private one came.', {
      file,
      cure: 'Give the file that ends in .pub, and keep the private one to yourself.',
    });
  }
  // The reader would take one of them, and the operator might mean another.
  if (pem.split('-----BEGIN ').length > 2) {
    throw new GtpackError('key_invalid', 'One public key in PEM was expected; several came.', {
      file,
      cure: 'Give each key a file of its own.',
    });
  }
  const key = await publisherKey(parseKey(() => createPublicKey(pem), 'a public key in PEM', file));
  const weakness = keyWeakness(key);
  if (weakness === undefined) return key;
  throw new GtpackError('key_invalid', `An Ed25519 key was expected; this one ${weakness}.`, {
    file,
    cure: CURE,
  });
}

/** @param key of type Ed25519 */
export async function publisherKey(key: KeyObject): Promise<PublisherKey> {
  const { x } = key.export({ format: 'jwk' });
  const raw = Buffer.from(x ?? '', 'base64url');
  return { raw, fingerprint: await blake3(raw) };
}

/** 2^255 - 19. */
const FIELD_PRIME = (1n << 255n) - 19n;
const ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** The y of the eight points whose order divides 8; the sign of x, which is the other bit, does not matter. */
const SMALL_ORDER: ReadonlySet<bigint> = new Set([0n, 1n, FIELD_PRIME - 1n, ORDER_8, FIELD_PRIME - ORDER_8]);

/**
 * Why a key is none that a publisher may have, as the end of a sentence: of small order, some signatures hold for every
 * message; written with a y past the prime, one key would have two fingerprints. RFC 8032, section 5.1.3.
 */
export function keyWeakness({ raw }: PublisherKey): string | undefined {
  const y = BigInt(`0x${Buffer.from(raw).reverse().toString('hex')}`) & ((1n << 255n) - 1n);
  if (y >= FIELD_PRIME) return 'is not written in its only form';
  return SMALL_ORDER.has(y) ? 'is of small order, and anybody could sign for it' : undefined;
}

function parseKey(parse: () => KeyObject, expected: string, file: string): KeyObject {
  let key: KeyObject;
  try {
    key = parse();
  } catch {
    throw new GtpackError('key_invalid', `An Ed25519 key was expected, as ${expected}; the file is none.`, {
      file,
      cure: CURE,
    });
  }
  if (key.asymmetricKeyType === ALGORITHM) return key;
  throw new GtpackError(
    'key_invalid',
    `An Ed25519 key was expected; one of type ${key.asymmetricKeyType ?? 'unknown'} came.`,
    { file, cure: CURE },
  );
}
