import { GtpackError } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { readArchive } from './archive-reader.ts';
import { writeArchive } from './archive-writer.ts';
import type { Signing } from './build.ts';
import { readArchiveFile, writeWhole } from './pack-file.ts';
import { verifiedSbom } from './read-pack.ts';
import { soundKey, verifySignature, withSignature } from './signature.ts';

export interface SignedPack {
  /** Absolute path. */
  readonly file: string;
  /** BLAKE3 of the archive, hex. */
  readonly digest: string;
  /** Of the key that signed it. */
  readonly signer: string;
}

/**
 * Signs a pack anew, whoever signed it before. Its files stay as they are; the archive is written in the one form that
 * `pack build` writes.
 * @param outFile may be the file itself
 * @throws GtpackError as reading a pack's archive and SBOM does, and `pack_unwritable`
 */
export async function signPack(file: string, outFile: string, signing: Signing): Promise<SignedPack> {
  const limits = DEFAULT_LIMITS;
  const archive = await readArchive(await readArchiveFile(file, limits), file, limits);
  const sbom = await verifiedSbom(archive, limits);
  const bytes = writeArchive(
    await withSignature(archive.entries, sbom, signing.key, signing.signedAt),
    outFile,
  );
  const signed = await readArchive(bytes, outFile, limits);
  soundKey(await verifySignature(signed, sbom));
  await writeWhole(outFile, bytes);
  return { file: outFile, digest: signed.digest, signer: signing.key.publicKey.fingerprint };
}

/** What `gtpack pack verify` found: a sound signature, and whether its key is one of those that are trusted. */
export interface VerifiedPack {
  readonly digest: string;
  readonly signer: string;
  /** As the archive says: the signature does not cover it. */
  readonly signedAt: string;
  readonly trusted: boolean;
}

/**
 * @param trusted fingerprints
 * @throws GtpackError as reading a pack's archive and SBOM does; `signature_invalid`, `pack_unsigned`
 */
export async function verifyPack(file: string, trusted: ReadonlySet<string>): Promise<VerifiedPack> {
  const limits = DEFAULT_LIMITS;
  const archive = await readArchive(await readArchiveFile(file, limits), file, limits);
  const verdict = await verifySignature(archive, await verifiedSbom(archive, limits));
  if (verdict.kind === 'broken') throw GtpackError.ofProblems(verdict.problems);
  if (verdict.kind === 'none') {
    throw new GtpackError('pack_unsigned', 'The pack is not signed.', {
      file,
      cure: 'Get a signed one from its publisher, or sign it: gtpack pack sign FILE --key KEY',
    });
  }
  const { fingerprint } = verdict.key;
  return {
    digest: archive.digest,
    signer: fingerprint,
    signedAt: verdict.signedAt,
    trusted: trusted.has(fingerprint),
  };
}
