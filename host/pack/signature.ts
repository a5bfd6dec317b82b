import { createPublicKey, verify } from 'node:crypto';
import { createBLAKE3 } from 'hash-wasm';
import * as z from 'zod';
import { GtpackError, type Problem } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { VerifiedArchive } from './archive-reader.ts';
import { keyOfChain, selfSignedCertificate } from './certificate.ts';
import { MANIFEST_PATH } from './manifest.ts';
import { type Sbom, SIGNATURES_FOLDER, type SignedSbom } from './sbom.ts';
import type { PublisherKey, SigningKey } from './signing-key.ts';

/**
 * Signatures as the format in the field has them: `signatures/pack.sig` holds an Ed25519 signature over a BLAKE3 digest of
 * manifest, SBOM and every file's path and hash; `signatures/chain.pem` holds a certificate with the key.
 *
 * - S1 a signature covers every file but those of its own folder: the SBOM lists them, and was compared with them before.
 * - S2 the key that a pack brings says who signed it, never that they are trusted: that is the bundle's to say.
 */

export const SIGNATURE_PATH = `${SIGNATURES_FOLDER}pack.sig`;
export const CHAIN_PATH = `${SIGNATURES_FOLDER}chain.pem`;

/** Of each of the two files. */
const MAX_SIGNATURE_BYTES = 64 * 1024;
/** 64 bytes in base64url without padding: one signature has one spelling. */
const SIGNATURE_TEXT = /^[A-Za-z0-9_-]{85}[AQgw]$/;
const HEX_32 = /^[0-9a-f]{64}$/;
/** RFC 3339 in UTC. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)$/;
/** In certificates of ours; it decides nothing. */
const COMMON_NAME = 'gtpack publisher';

const envelopeSchema = z.object({
  alg: z.string(),
  sig: z.string().regex(SIGNATURE_TEXT, 'Expected 64 bytes in base64url without padding.'),
  digest: z.string().regex(HEX_32, 'Expected 64 lower-case hex digits.'),
  signed_at_utc: z.string().regex(INSTANT, 'Expected an instant in UTC, as in RFC 3339.'),
  key_fingerprint: z.string().regex(HEX_32, 'Expected 64 lower-case hex digits.').optional(),
});

/** What was found out about a pack's signature. */
export type SignatureVerdict =
  | { readonly kind: 'none' }
  /** It holds; by whom, says the key. */
  | {
      readonly kind: 'sound';
      readonly key: PublisherKey;
      /** As the archive says: the signature does not cover it. */
      readonly signedAt: string;
    }
  | { readonly kind: 'broken'; readonly problems: readonly [Problem, ...Problem[]] };

/** @param sbom was compared with the archive, and matched (S1) */
export async function verifySignature(
  archive: VerifiedArchive,
  { bytes, sbom }: SignedSbom,
): Promise<SignatureVerdict> {
  const foreign = [...archive.entries.keys()].find(
    (path) => path.startsWith(SIGNATURES_FOLDER) && path !== SIGNATURE_PATH && path !== CHAIN_PATH,
  );
  const { entries, file } = archive;
  const signature = entries.get(SIGNATURE_PATH);
  const chain = entries.get(CHAIN_PATH);
  const broken = (path: string, message: string): SignatureVerdict => ({
    kind: 'broken',
    problems: [{ code: 'signature_invalid', message, file: `${file}!${path}` }],
  });
  // Nothing signs it and no SBOM lists it.
  if (foreign !== undefined) {
    return broken(foreign, `The file ${quoted(foreign)} is covered by no SBOM and no signature.`);
  }
  if (signature === undefined && chain === undefined) return { kind: 'none' };
  if (signature === undefined) return broken(SIGNATURE_PATH, 'There is a certificate, and no signature.');
  if (chain === undefined) return broken(CHAIN_PATH, 'There is a signature, and no certificate.');
  for (const [path, { length }] of [
    [SIGNATURE_PATH, signature],
    [CHAIN_PATH, chain],
  ] as const) {
    if (length > MAX_SIGNATURE_BYTES)
      return broken(path, `The file is ${length} bytes long; at most ${MAX_SIGNATURE_BYTES} are read.`);
  }
  const envelope = parseEnvelope(signature);
  if (typeof envelope === 'string') return broken(SIGNATURE_PATH, envelope);
  const digest = await signatureDigest(entries.get(MANIFEST_PATH) ?? new Uint8Array(), bytes, sbom);
  if (envelope.digest !== digest.toString('hex')) {
    return broken(
      SIGNATURE_PATH,
      'The signature was made over other files: its digest is not that of the pack.',
    );
  }
  const key = await keyOfChain(Buffer.from(chain).toString('latin1'));
  if (typeof key === 'string') return broken(CHAIN_PATH, `The signature has no key: ${key}.`);
  const { key_fingerprint: claimed, signed_at_utc: signedAt } = envelope;
  if (claimed !== undefined && claimed !== key.fingerprint) {
    return broken(
      CHAIN_PATH,
      `The certificate's key has the fingerprint ${key.fingerprint}; the signature says ${quoted(claimed)}.`,
    );
  }
  return verify(null, digest, keyObject(key), Buffer.from(envelope.sig, 'base64url'))
    ? { kind: 'sound', key, signedAt }
    : broken(SIGNATURE_PATH, 'The signature was not made by the key of the certificate.');
}

/**
 * The files of a pack with a signature in place of what stood in its folder.
 * @param files with manifest and SBOM
 * @param signedAt RFC 3339, UTC
 */
export async function withSignature(
  files: ReadonlyMap<string, Uint8Array>,
  { bytes, sbom }: SignedSbom,
  key: SigningKey,
  signedAt: string,
): Promise<Map<string, Uint8Array>> {
  const digest = await signatureDigest(files.get(MANIFEST_PATH) ?? new Uint8Array(), bytes, sbom);
  const envelope = {
    alg: 'ed25519',
    sig: Buffer.from(key.sign(digest)).toString('base64url'),
    digest: digest.toString('hex'),
    signed_at_utc: signedAt,
    key_fingerprint: key.publicKey.fingerprint,
  };
  const signed = new Map([...files].filter(([path]) => !path.startsWith(SIGNATURES_FOLDER)));
  signed.set(SIGNATURE_PATH, Buffer.from(`${JSON.stringify(envelope, null, 2)}\n`));
  signed.set(CHAIN_PATH, Buffer.from(selfSignedCertificate(key, COMMON_NAME)));
  return signed;
}

/** BLAKE3 over the manifest, the SBOM, and for each file, sorted by path: path, newline, hex of its hash. */
async function signatureDigest(manifest: Uint8Array, sbomBytes: Uint8Array, sbom: Sbom): Promise<Buffer> {
  const hasher = await createBLAKE3();
  hasher.update(manifest);
  hasher.update(sbomBytes);
  const files = sbom.files.map(({ path, hash_blake3 }) => ({ path: Buffer.from(path), hash_blake3 }));
  for (const { path, hash_blake3 } of files.sort((a, b) => Buffer.compare(a.path, b.path))) {
    hasher.update(path);
    hasher.update(`\n${hash_blake3}`);
  }
  return Buffer.from(hasher.digest('binary'));
}

function parseEnvelope(bytes: Uint8Array): z.infer<typeof envelopeSchema> | string {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return 'The signature is not JSON.';
  }
  const parsed = envelopeSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return `The signature is not as the format has it: ${quoted(issue?.path.join('.') ?? '')}: ${issue?.message ?? 'another shape'}`;
  }
  const { alg } = parsed.data;
  return alg.toLowerCase() === 'ed25519'
    ? parsed.data
    : `The signature is of the algorithm ${quoted(alg)}; Ed25519 was expected.`;
}

function keyObject({ raw }: PublisherKey) {
  const x = Buffer.from(raw).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** @throws GtpackError `signature_invalid` for one that is broken; an absent one is no error here */
export function soundKey(verdict: SignatureVerdict): PublisherKey | null {
  if (verdict.kind === 'broken') throw GtpackError.ofProblems(verdict.problems);
  return verdict.kind === 'sound' ? verdict.key : null;
}
