import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { writeArchive } from '../../host/pack/archive-writer.ts';
import { selfSignedCertificate } from '../../host/pack/certificate.ts';
import { openPack } from '../../host/pack/read-pack.ts';
import { parsePublicKey, publisherKey } from '../../host/pack/signing-key.ts';
import { certificateOf, der, pem, spkiOf } from './fixture/certificates.ts';
import { refusal } from './fixture/refusal.ts';
import { newKey, signedSample } from './fixture/sample-pack.ts';

interface Envelope {
  alg: string;
  sig: string;
  digest: string;
  signed_at_utc: string;
  key_fingerprint?: string;
  [extra: string]: unknown;
}

type Files = Map<string, Uint8Array>;

function envelopeOf(files: Files): Envelope {
  return JSON.parse(Buffer.from(files.get('signatures/pack.sig') ?? []).toString());
}

/** Opens the signed sample after `change` has changed it. */
async function opened(change: (envelope: Envelope, files: Files) => void | Promise<void>): Promise<unknown> {
  const { files } = await signedSample();
  const envelope = envelopeOf(files);
  await change(envelope, files);
  files.set('signatures/pack.sig', Buffer.from(JSON.stringify(envelope)));
  return openPack(writeArchive(files, 'sample.gtpack'), 'sample.gtpack');
}

async function refused(change: (envelope: Envelope, files: Files) => void | Promise<void>): Promise<string> {
  const error = await refusal(opened(change));
  expect(error.code).toBe('signature_invalid');
  return error.message;
}

const ORDER = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
const number = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).reverse().toString('hex') || '0'}`);
const bytesOf = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();

describe('a signature has one spelling', () => {
  const spelled = (spell: (sig: string) => string) =>
    refused((envelope) => {
      envelope.sig = spell(envelope.sig);
    });

  test.each<[string, (sig: string) => string]>([
    ['padding', (sig) => `${sig}==`],
    ['the other alphabet', (sig) => Buffer.from(sig, 'base64url').toString('base64')],
    ['a space in front', (sig) => ` ${sig}`],
    ['a line feed behind', (sig) => `${sig}\n`],
    ['a line feed inside', (sig) => `${sig.slice(0, 64)}\n${sig.slice(64)}`],
    ['a character that decoders skip', (sig) => `${sig.slice(0, 10)}!${sig.slice(10)}`],
    ['hex', (sig) => Buffer.from(sig, 'base64url').toString('hex')],
    [
      'spare bits at the end',
      (sig) => sig.slice(0, -1) + (sig.endsWith('A') ? 'B' : String.fromCharCode(sig.charCodeAt(85) + 1)),
    ],
    [
      'a byte more',
      (sig) => Buffer.concat([Buffer.from(sig, 'base64url'), Buffer.alloc(1)]).toString('base64url'),
    ],
    ['a byte less', (sig) => Buffer.from(sig, 'base64url').subarray(1).toString('base64url')],
    ['nothing', () => ''],
  ])('and %s is none', async (_title, spell) => {
    expect(await spelled(spell)).toContain('"sig": Expected 64 bytes in base64url without padding.');
  });

  test('and so have digest, fingerprint and instant', async () => {
    const upper = (key: 'digest' | 'key_fingerprint') =>
      refused((envelope) => {
        envelope[key] = `${envelope[key]}`.toUpperCase().replaceAll('0', 'A');
      });
    expect(await upper('digest')).toContain('Expected 64 lower-case hex digits.');
    expect(await upper('key_fingerprint')).toContain('Expected 64 lower-case hex digits.');
    for (const instant of [
      'yesterday',
      '2026-01-02',
      '2026-01-02T03:04:05+02:00',
      `${'1'.repeat(9)}\u001b[2K`,
    ]) {
      expect(
        await refused((envelope) => {
          envelope.signed_at_utc = instant;
        }),
      ).toContain('Expected an instant in UTC');
    }
  });
});

describe('a signature that somebody forged is refused', () => {
  test('with S past the order of the group, where the sum is the same', async () => {
    const message = await refused((envelope) => {
      const sig = Buffer.from(envelope.sig, 'base64url');
      const s = number(sig.subarray(32)) + ORDER;
      envelope.sig = Buffer.concat([sig.subarray(0, 32), bytesOf(s)]).toString('base64url');
    });
    expect(message).toContain('The signature was not made by the key of the certificate.');
  });

  test('over another digest than the one that it tells', async () => {
    const key = await newKey();
    const message = await refused((envelope, files) => {
      envelope.sig = Buffer.from(key.sign(Buffer.alloc(32))).toString('base64url');
      envelope.key_fingerprint = key.publicKey.fingerprint;
      files.set('signatures/chain.pem', Buffer.from(selfSignedCertificate(key, 'x')));
    });
    expect(message).toContain('The signature was not made by the key of the certificate.');
  });

  test('over the hex of the digest, or the digest of the digest', async () => {
    const key = await newKey();
    for (const over of [
      (digest: string) => Buffer.from(digest),
      (digest: string) => createHash('sha512').update(digest, 'hex').digest(),
    ]) {
      expect(
        await refused((envelope, files) => {
          envelope.sig = Buffer.from(key.sign(over(envelope.digest))).toString('base64url');
          envelope.key_fingerprint = key.publicKey.fingerprint;
          files.set('signatures/chain.pem', Buffer.from(selfSignedCertificate(key, 'x')));
        }),
      ).toContain('The signature was not made by the key');
    }
  });

  test('of another pack', async () => {
    const other = envelopeOf((await signedSample()).files);
    expect(
      await refused((envelope) => {
        envelope.sig = other.sig;
      }),
    ).toContain('The signature was not made by the key');
  });
});

/** Each point whose order divides 8, in every encoding that decoders take, both signs of x. */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].flatMap((hex) => {
  const other = Buffer.from(hex, 'hex');
  other[31] = (other[31] ?? 0) ^ 0x80;
  return [hex, other.toString('hex')];
});

test.each(SMALL_ORDER)('a key that anybody could sign for is refused: %s', async (hex) => {
  const raw = Buffer.from(hex, 'hex');
  const { fingerprint } = await publisherKey(
    createPublicKey({ key: spkiOf(raw), format: 'der', type: 'spki' }),
  );
  const message = await refused((envelope, files) => {
    envelope.sig = multipleOfBase().toString('base64url');
    envelope.key_fingerprint = fingerprint;
    files.set('signatures/chain.pem', Buffer.from(certificateOf(spkiOf(raw))));
  });
  expect(message).toMatch(/is of small order|is not written in its only form/);
  const trusted = await refusal(parsePublicKey(pem('PUBLIC KEY', spkiOf(raw)), 'k'));
  expect(trusted.code).toBe('key_invalid');
  expect(trusted.message).toMatch(/is of small order|is not written in its only form/);
});

/** R = SB, which is the equation of RFC 8032 where the key times the hash is nothing: for a key of order 1, always. */
function multipleOfBase(): Buffer {
  const { x = '', d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const scalar = createHash('sha512').update(Buffer.from(d, 'base64url')).digest().subarray(0, 32);
  scalar[0] = (scalar[0] ?? 0) & 248;
  scalar[31] = ((scalar[31] ?? 0) & 63) | 64;
  return Buffer.concat([Buffer.from(x, 'base64url'), bytesOf(number(scalar) % ORDER)]);
}

describe('a chain', () => {
  const chained = (chain: string) =>
    refused((_envelope, files) => void files.set('signatures/chain.pem', Buffer.from(chain)));
  const spki = (key: KeyObject) => key.export({ format: 'der', type: 'spki' });

  test.each<[string, KeyObject]>([
    ['rsa', generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey],
    ['ec', generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey],
    ['ed448', generateKeyPairSync('ed448').publicKey],
    ['x25519', generateKeyPairSync('x25519').publicKey],
  ])('of a key of type %s is refused', async (type, key) => {
    expect(await chained(certificateOf(spki(key)))).toContain(
      `holds a key of type ${type}; Ed25519 was expected`,
    );
  });

  test.each<[string, (own: Buffer) => string, string]>([
    ['that is empty', () => '', 'it holds no certificate in PEM'],
    ['of a public key alone', (own) => pem('PUBLIC KEY', own), 'it holds no certificate in PEM'],
    [
      'that is never ended',
      (own) => certificateOf(own).replace(/-----END.*/s, ''),
      'it holds no certificate in PEM',
    ],
    [
      'of DER',
      (own) => Buffer.from(certificateOf(own).split('\n').slice(1, -2).join(''), 'base64').toString('latin1'),
      'it holds no certificate in PEM',
    ],
    [
      'of a length past its end',
      () => pem('CERTIFICATE', Buffer.from('3084ffffffff', 'hex')),
      'cannot be read',
    ],
    ['of an indefinite length', () => pem('CERTIFICATE', Buffer.from('30800000', 'hex')), 'cannot be read'],
    ['of nested sequences alone', () => pem('CERTIFICATE', nestedSequences(500)), 'cannot be read'],
    ['of 1,000 certificates', (own) => certificateOf(own).repeat(1000), 'at most 65536 are read'],
    [
      'of another key first',
      () => certificateOf(spki(generateKeyPairSync('ed25519').publicKey)),
      "The certificate's key has the fingerprint",
    ],
    [
      'that says that it signed itself, and did not',
      (own) => certificateOf(own, { subject: 'a', issuer: 'a' }),
      'says that it signed itself, and did not',
    ],
  ])('%s is refused', async (_title, chain, message) => {
    const { key } = await signedSample();
    expect(await chained(chain(spkiOf(key.publicKey.raw)))).toContain(message);
  });

  test('is there to carry a key: its dates, its issuer and what follows its first certificate decide nothing', async () => {
    const { key, files } = await signedSample();
    const own = spkiOf(key.publicKey.raw);
    const rest = certificateOf(spki(generateKeyPairSync('ed25519').publicKey)).repeat(50);
    for (const dates of [
      { notBefore: '500101000000Z', notAfter: '500102000000Z' },
      { notBefore: '480101000000Z', notAfter: '490101000000Z' },
    ]) {
      files.set('signatures/chain.pem', Buffer.from(certificateOf(own, dates) + rest));
      const pack = await openPack(writeArchive(files, 'sample.gtpack'), 'sample.gtpack');
      expect(pack.signer).toBe(key.publicKey.fingerprint);
    }
  });
});

function nestedSequences(depth: number): Buffer {
  let bytes: Buffer = Buffer.from('0500', 'hex');
  for (let level = 0; level < depth; level += 1) bytes = der(0x30, bytes);
  return bytes;
}

test('a file of several public keys is refused: which one is trusted would be a guess', async () => {
  const keys = [await newKey(), await newKey()].map(({ publicKey }) =>
    pem('PUBLIC KEY', spkiOf(publicKey.raw)),
  );
  const error = await refusal(parsePublicKey(keys.join(''), 'k'));
  expect(error.message).toContain('One public key in PEM was expected; several came.');
});
