import { Buffer } from 'node:buffer';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** An Ed25519 key as NATS writes them: base32 of a prefix, the key and its CRC-16 (XMODEM). */
export interface Nkey {
  /** The public key. */
  readonly name: string;
  readonly seed: string;
  readonly privateKey: KeyObject;
}

const SEED = 18 << 3;
const PREFIXES = { operator: 14 << 3, account: 0, user: 20 << 3 } as const;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export function nkey(kind: keyof typeof PREFIXES): Nkey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x = '', d = '' } = privateKey.export({ format: 'jwk' });
  const prefix = PREFIXES[kind];
  // A seed begins with two prefixes: its own in 5 bits, and in the next 8 that of what it makes.
  const seed = Buffer.from([SEED | (prefix >> 5), (prefix & 31) << 3, ...Buffer.from(d, 'base64url')]);
  const name = Buffer.from([prefix, ...Buffer.from(x, 'base64url')]);
  return { name: checked(name), seed: checked(seed), privateKey };
}

/** A JSON Web Token as NATS signs them. */
export function jwt(issuer: Nkey, subject: string, nats: object): string {
  const claims = { iat: 1_700_000_000, iss: issuer.name, sub: subject, name: 'test', nats };
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('hex');
  const head = part({ typ: 'JWT', alg: 'ed25519-nkey' });
  const text = `${head}.${part({ jti, ...claims })}`;
  return `${text}.${sign(null, Buffer.from(text), issuer.privateKey).toString('base64url')}`;
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function checked(bytes: Buffer): string {
  const crc = crc16(bytes);
  return base32(Buffer.concat([bytes, Buffer.from([crc & 255, crc >> 8])]));
}

function crc16(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

function base32(bytes: Buffer): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => ALPHABET[Number.parseInt(group.padEnd(5, '0'), 2)]).join('');
}
