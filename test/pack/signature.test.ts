import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { writeArchive } from '../../host/pack/archive-writer.ts';
import { selfSignedCertificate } from '../../host/pack/certificate.ts';
import { openPack } from '../../host/pack/read-pack.ts';
import { encodeSbom } from '../../host/pack/sbom.ts';
import { withSignature } from '../../host/pack/signature.ts';
import { parsePublicKey, parseSigningKey } from '../../host/pack/signing-key.ts';
import { newKey, sampleFiles, signedSample } from './fixture/sample-pack.ts';

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GtpackError)) throw new Error(`a GtpackError was expected; ${String(error)} came`);
  return `${error.code} ${error.problems.map(({ message, file }) => `${file ?? ''}: ${message}`).join(' ')}`;
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

/** The signed sample with one of its files changed. */
async function tampered(change: (files: Map<string, Uint8Array>) => void | Promise<void>): Promise<string> {
  const { files } = await signedSample();
  await change(files);
  return refusal(openPack(writeArchive(files, 'sample.gtpack'), 'sample.gtpack'));
}

function rewritten(
  files: Map<string, Uint8Array>,
  change: (envelope: Record<string, unknown>) => void,
): void {
  const envelope = JSON.parse(text(files.get('signatures/pack.sig')));
  change(envelope);
  files.set('signatures/pack.sig', Buffer.from(JSON.stringify(envelope)));
}

test('a signed pack names the key that signed it', async () => {
  const { key, pack } = await signedSample();
  await expect(openPack(pack, 'sample.gtpack')).resolves.toHaveProperty('signer', key.publicKey.fingerprint);
});

test('a pack that is not signed names nobody', async () => {
  const files = sampleFiles();
  files.set('sbom.cbor', (await encodeSbom(files)).bytes);
  await expect(openPack(writeArchive(files, 'a.gtpack'), 'a.gtpack')).resolves.toHaveProperty('signer', null);
});

test('the same key, files and instant give the same bytes', async () => {
  const key = await newKey();
  const files = sampleFiles();
  const sbom = await encodeSbom(files);
  files.set('sbom.cbor', sbom.bytes);
  const once = await withSignature(files, sbom, key, '2026-01-02T03:04:05Z');
  const again = await withSignature(once, sbom, key, '2026-01-02T03:04:05Z');
  expect(writeArchive(again, 'a')).toEqual(writeArchive(once, 'a'));
});

describe('what was changed after signing is refused by its name', () => {
  test('a file of the pack', async () => {
    expect(await tampered((files) => void files.set('scripts/shop.js', Buffer.from('//')))).toContain(
      'sbom_mismatch sample.gtpack: The file "scripts/shop.js" is 2 bytes long',
    );
  });

  test('a file, with an SBOM that says so', async () => {
    const refused = await tampered(async (files) => {
      files.set('scripts/shop.js', Buffer.from('//'));
      files.set('sbom.cbor', (await encodeSbom(files)).bytes);
    });
    expect(refused).toContain(
      'signature_invalid sample.gtpack!signatures/pack.sig: The signature was made over other files',
    );
  });

  test('a file more, a file less, a file of another name', async () => {
    expect(await tampered((files) => void files.set('assets/more.txt', Buffer.from('x')))).toContain(
      'The file "assets/more.txt" is not in the SBOM',
    );
    expect(await tampered((files) => void files.delete('scripts/shop.js'))).toContain(
      'The SBOM lists "scripts/shop.js", which is not in the archive',
    );
    const renamed = await tampered((files) => {
      files.set('scripts/other.js', files.get('scripts/shop.js') ?? new Uint8Array());
      files.delete('scripts/shop.js');
    });
    expect(renamed).toContain('"scripts/other.js" is not in the SBOM');
  });

  test('the manifest, which the SBOM lists as well', async () => {
    const other = sampleFiles().get('manifest.cbor') ?? new Uint8Array();
    const changed = Buffer.from(other);
    changed.set(Buffer.from('9.9.9'), changed.indexOf('1.2.3'));
    expect(await tampered((files) => void files.set('manifest.cbor', changed))).toContain(
      'The content of "manifest.cbor" does not have the hash of the SBOM',
    );
  });

  test('a second SBOM, or a file beside the signature', async () => {
    expect(await tampered((files) => void files.set('sbom.json', Buffer.from('{}')))).toContain(
      'sbom_invalid sample.gtpack: The archive has two SBOMs',
    );
    expect(await tampered((files) => void files.set('sbom.txt', Buffer.from('{}')))).toContain(
      'The file "sbom.txt" is not in the SBOM',
    );
    expect(await tampered((files) => void files.set('signatures/more', Buffer.from('x')))).toContain(
      'signature_invalid sample.gtpack!signatures/more',
    );
  });

  test('every byte of the archive', async () => {
    const { pack } = await signedSample();
    const untouched: number[] = [];
    for (let at = 0; at < pack.length; at += 1) {
      const changed = Uint8Array.from(pack);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await openPack(changed, 'sample.gtpack').then(
        () => untouched.push(at),
        (error: unknown) => expect(error).toBeInstanceOf(GtpackError),
      );
    }
    // What may differ is what nobody reads: dates and attributes of the ZIP.
    const names = new Set(untouched.map((at) => regionOf(pack, at)));
    expect([...names].sort()).toEqual(['header']);
  });
});

/** Whether a byte of the signed sample stands in a file or its name, or in a header of the ZIP. */
function regionOf(pack: Uint8Array, at: number): string {
  const bytes = Buffer.from(pack);
  for (let start = bytes.indexOf('PK\x03\x04'); start >= 0; start = bytes.indexOf('PK\x03\x04', start + 4)) {
    const contentStart = start + 30;
    const contentEnd = contentStart + bytes.readUInt16LE(start + 26) + bytes.readUInt32LE(start + 18);
    if (at >= contentStart && at < contentEnd) return 'content';
  }
  return 'header';
}

describe('a signature that does not hold is refused', () => {
  test.each([
    ['of another algorithm', { alg: 'rsa' }, 'The signature is of the algorithm "rsa"; Ed25519 was expected'],
    ['over another digest', { digest: '00'.repeat(32) }, 'The signature was made over other files'],
    ['of zeros', { sig: Buffer.alloc(64).toString('base64url') }, 'The signature was not made by the key'],
    ['that is too short', { sig: 'AAAA' }, '"sig": Expected 64 bytes in base64url'],
    ['of another fingerprint', { key_fingerprint: 'ab'.repeat(32) }, 'the signature says "abab'],
    ['without a signature', { sig: undefined }, 'The signature is not as the format has it: "sig"'],
  ])('%s', async (_title, change, message) => {
    expect(
      await tampered((files) => rewritten(files, (envelope) => Object.assign(envelope, change))),
    ).toContain(message);
  });

  test('that is no JSON, or half of which is missing', async () => {
    expect(await tampered((files) => void files.set('signatures/pack.sig', Buffer.from('x')))).toContain(
      'The signature is not JSON',
    );
    expect(await tampered((files) => void files.delete('signatures/chain.pem'))).toContain(
      'There is a signature, and no certificate',
    );
    expect(await tampered((files) => void files.delete('signatures/pack.sig'))).toContain(
      'There is a certificate, and no signature',
    );
    expect(await tampered((files) => void files.set('signatures/pack.sig', Buffer.alloc(70_000)))).toContain(
      'at most 65536 are read',
    );
  });

  test('by a certificate of another key, of another type, or of none', async () => {
    const other = await newKey();
    const pem = (chain: string) => (files: Map<string, Uint8Array>) =>
      void files.set('signatures/chain.pem', Buffer.from(chain));
    expect(await tampered(pem(selfSignedCertificate(other, 'other')))).toContain(
      "The certificate's key has the fingerprint",
    );
    expect(await tampered(pem(RSA_CERTIFICATE))).toContain(
      'the first certificate holds a key of type rsa; Ed25519 was expected',
    );
    expect(await tampered(pem('no certificate'))).toContain('it holds no certificate in PEM');
    expect(await tampered(pem('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'))).toContain(
      'the first certificate cannot be read',
    );
  });
});

test('a certificate of ours is one that others read: self-signed, of the key that it carries', async () => {
  const { privateKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const key = await parseSigningKey(privateKey, 'key');
  const certificate = new X509Certificate(selfSignedCertificate(key, 'Acme'));
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect([certificate.subject, certificate.issuer]).toEqual(['CN=Acme', 'CN=Acme']);
  const { x } = certificate.publicKey.export({ format: 'jwk' });
  expect(Buffer.from(x ?? '', 'base64url')).toEqual(Buffer.from(key.publicKey.raw));
});

describe('keys', () => {
  const { privateKey: rsa } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });

  test('a key of another type, a text that is none, and the wrong half are refused without showing them', async () => {
    expect(await refusal(parseSigningKey(rsa, 'k'))).toBe(
      'key_invalid k: An Ed25519 key was expected; one of type rsa came.',
    );
    expect(await refusal(parseSigningKey('hunter2', 'k'))).toBe(
      'key_invalid k: An Ed25519 key was expected, as a private key in PEM; the file is none.',
    );
    expect(await refusal(parsePublicKey(rsa, 'k'))).toBe(
      'key_invalid k: A public key in PEM was expected; a private one came.',
    );
  });
});

const RSA_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIC/zCCAeegAwIBAgIUFIiW9Pa3oPF5/RDEwtZJXzEdb3cwDQYJKoZIhvcNAQEL
BQAwDjEMMAoGA1UEAwwDcnNhMCAXDTI2MTEyNDEwMzgwM1oYDzIxMjYxMDMxMTAz
ODAzWjAOMQwwCgYDVQQDDANyc2EwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK
AoIBAQD3Ax5H5dLvvm95dy6XiYFRDT5YkiSHeY+J/7tZABXbc5mrAjL7c6aWmfqF
X3brXcCJxTFxKvr1prNrgXgkaq8pjnJ/hBJcSkGn1AuPLJuyZw5Ou8Jf7hNRE5hq
3tveqg+UahINHhwrTkN5YucsFJz5BC7YEJABnovb+dMJRyLxpA4Fv8Lc/EVrnXHR
M5zsFIcQcGVSHlwwvuxjfO19jhzD886x/7SI04JkoHkfGK73IelvLLV7GWIrtbfh
hS39ycSxea30UB6+Odca4EZ+3+33VQI65uj8CLwsy98edkp27g5JZGvRAm2msVAN
17voRWJ1dToR9zXltKOCYSqfZ10TAgMBAAGjUzBRMB0GA1UdDgQWBBSFruG6L9an
MQFcZ21Gh0Vex6QCrzAfBgNVHSMEGDAWgBSFruG6L9anMQFcZ21Gh0Vex6QCrzAP
BgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQDb1fYwQfMRXNgq0oY5
XMGcBBIu4xTlSPrPcMiAh/VhQMKt/ASGKih4sH9Q8BsbUrrj3aTILqrKmFXSqsrL
JsumxgnGOvzd+8os7w/IcX0HrtMYELQHuZUnr6Af5pmWjGgo9GZjuXUe3qd291XW
Qevt8r/aHZhVKD1mmSX4e9TNlgY9tofGMV+a1LKHZgzvC5lSEzdn7kkrs950pK12
sHNvUEmR/6ycvrAIPdFKtforX/B+g8bwhubcqmhSi8j11Vxo4YaDqUzCczaYyx7z
R+VFmoTccsS524NCSneXpWW649V3XdSlJUPP6C0jOU3DClQ+S26vunX2RoaZNVBF
xcN/
-----END CERTIFICATE-----`;
