import { hash, X509Certificate } from 'node:crypto';
import { errorMessage } from '../errors.ts';
import { keyWeakness, type PublisherKey, publisherKey, type SigningKey } from './signing-key.ts';

/**
 * Certificates as packs hold them: self-signed, there to carry a key, and trusted for nothing else. Written in DER
 * (ITU-T X.690) by the profile of RFC 5280 and RFC 8410.
 */

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const VERSION = 0xa0;

/** 1.3.101.112 and 2.5.4.3. */
const ED25519 = der(SEQUENCE, der(OBJECT_ID, Uint8Array.of(0x2b, 0x65, 0x70)));
const COMMON_NAME = der(OBJECT_ID, Uint8Array.of(0x55, 0x04, 0x03));
const V3 = der(VERSION, der(INTEGER, Uint8Array.of(2)));
/** No date decides anything; 9999 is what RFC 5280 writes for "no end". */
const VALIDITY = der(
  SEQUENCE,
  der(UTC_TIME, Buffer.from('800101000000Z')),
  der(GENERALIZED_TIME, Buffer.from('99991231235959Z')),
);
const SERIAL_BYTES = 16;

/** The same key and name give the same bytes. @returns PEM */
export function selfSignedCertificate({ publicKey, sign }: SigningKey, commonName: string): string {
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(commonName)))));
  const key = der(SEQUENCE, ED25519, bitString(publicKey.raw));
  const body = der(SEQUENCE, V3, serial(publicKey.raw), ED25519, name, VALIDITY, name, key);
  const certificate = der(SEQUENCE, body, ED25519, bitString(sign(body)));
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/** Positive and not zero, as RFC 5280 asks. */
function serial(key: Uint8Array): Uint8Array {
  const digest = hash('sha256', key, 'buffer').subarray(0, SERIAL_BYTES);
  digest[0] = ((digest[0] ?? 0) & 0x7f) | 0x40;
  return der(INTEGER, digest);
}

function bitString(bytes: Uint8Array): Uint8Array {
  return der(BIT_STRING, Uint8Array.of(0), bytes);
}

/** Tag, length, content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...head), content]);
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/;

/** @returns the key of the first certificate, or why there is none */
export async function keyOfChain(pem: string): Promise<PublisherKey | string> {
  const [first] = PEM_CERTIFICATE.exec(pem) ?? [];
  if (first === undefined) return 'it holds no certificate in PEM';
  try {
    const certificate = new X509Certificate(first);
    const { publicKey, subject, issuer } = certificate;
    if (publicKey.asymmetricKeyType !== 'ed25519') {
      return `the first certificate holds a key of type ${publicKey.asymmetricKeyType ?? 'unknown'}; Ed25519 was expected`;
    }
    if (subject === issuer && !certificate.verify(publicKey)) {
      return 'the first certificate says that it signed itself, and did not';
    }
    const key = await publisherKey(publicKey);
    const weakness = keyWeakness(key);
    return weakness === undefined ? key : `the key of the first certificate ${weakness}`;
  } catch (error) {
    return `the first certificate cannot be read (${errorMessage(error)})`;
  }
}
