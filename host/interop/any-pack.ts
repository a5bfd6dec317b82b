import { DEFAULT_LIMITS } from '../limits.ts';
import type { ArchiveLimits } from '../pack/archive-limits.ts';
import { readArchive } from '../pack/archive-reader.ts';
import { decodeManifest, hasOwnProviders } from '../pack/manifest.ts';
import type { Pack } from '../pack/pack.ts';
import { readArchiveFile } from '../pack/pack-file.ts';
import { packOf, signerOf } from '../pack/read-pack.ts';
import { readFieldPack } from './field-pack.ts';

/**
 * Packs and components that were made for other hosts of the format, made to look like our own.
 *
 * - any-pack: the way in, for whoever runs packs. inspect: what a pack holds, sound or not.
 * - field-pack: a pack of the field, out of what symbol-manifest (the current model) and meta-manifest (the older one, with
 *   flow-file) read into a field-manifest; component-paths, field-extensions and token-set help.
 * - flow-conversion: its flows in this host's language, with flow-routes and field-routing, field-template and field-path; bound-flow: as a bundle runs it.
 * - field-adapter (with field-exports, field-imports, field-value, field-binding, field-host): its components.
 */

/**
 * Reads a pack, whoever made it. What reads like one of ours is ours; every other model is converted here, once.
 * @throws GtpackError `file_unreadable`, and what `openAnyPack` throws
 */
export async function readAnyPack(file: string, limits: ArchiveLimits = DEFAULT_LIMITS): Promise<Pack> {
  return openAnyPack(await readArchiveFile(file, limits), file, limits);
}

/**
 * The same for bytes that are in memory.
 * @param file names the pack in messages
 * @throws GtpackError with codes that start with `archive_`, `manifest_`, `sbom_`, `signature_` and `pack_`, and
 *   `plugin_invalid`
 */
export async function openAnyPack(
  bytes: Uint8Array,
  file: string,
  limits: ArchiveLimits = DEFAULT_LIMITS,
): Promise<Pack> {
  const archive = await readArchive(bytes, file, limits);
  const value = decodeManifest(archive, limits);
  if (hasOwnProviders(value)) return packOf(archive, value, limits);
  const { manifest, parts, flows, remarks } = readFieldPack(archive, value);
  return {
    digest: archive.digest,
    file,
    id: manifest.id,
    version: manifest.version,
    publisher: manifest.publisher ?? 'nobody it names',
    signer: await signerOf(archive, limits),
    providers: parts.map(({ provider }) => provider),
    flows,
    scripts: new Map(),
    remarks,
  };
}
