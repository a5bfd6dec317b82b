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
  return publisherKey(parseKey(() => createPublicKey(pem), 'a public key in PEM', file));
}

/** @param key of type Ed25519 */
export async function publisherKey(key: KeyObject): Promise<PublisherKey> {
  const { x } = key.export({ format: 'jwk' });
  const raw = Buffer.from(x ?? '', 'base64url');
  return { raw, fingerprint: await blake3(raw) };
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
