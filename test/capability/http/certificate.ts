import { Buffer } from 'node:buffer';
import { generateKeyPairSync, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A self-signed certificate (X.509 v3, RFC 5280), made anew for each test run. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

const tlv = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  // No longer than it has to be: not all readers take a length of more bytes.
  const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(length < 128 ? [tag, length] : [tag, ...long]), content]);
};
const sequence = (...parts: readonly Uint8Array[]) => tlv(0x30, ...parts);
const bytes = (...values: readonly number[]) => Buffer.from(values);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'));
const time = (text: string) => tlv(0x18, Buffer.from(text));

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const COMMON_NAME = oid('550403');
const BASIC_CONSTRAINTS = oid('551d13');
const SUBJECT_ALT_NAME = oid('551d11');

/** @param names host names and IPv4 addresses that it is good for */
export function certificate(names: readonly string[], notAfter = '20990101000000Z'): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, Buffer.from('test')))));
  const alternatives = names.map((name) =>
    isIPv4(name) ? tlv(0x87, bytes(...name.split('.').map(Number))) : tlv(0x82, Buffer.from(name)),
  );
  const extensions = sequence(
    sequence(BASIC_CONSTRAINTS, bytes(1, 1, 255), tlv(0x04, sequence(bytes(1, 1, 255)))),
    sequence(SUBJECT_ALT_NAME, tlv(0x04, sequence(...alternatives))),
  );
  const body = sequence(
    tlv(0xa0, bytes(2, 1, 2)),
    bytes(2, 1, 1),
    ECDSA_SHA256,
    subject,
    sequence(time('20200101000000Z'), time(notAfter)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, extensions),
  );
  const signature = tlv(0x03, bytes(0), sign('sha256', body, privateKey));
  const base64 = sequence(body, ECDSA_SHA256, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END CERTIFICATE-----\n`,
  };
}
