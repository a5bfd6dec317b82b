import { GtpackError, type Problem } from '../errors.ts';
import { quoted } from '../event/names.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import { readArchive, type VerifiedArchive } from './archive-reader.ts';
import { decodeManifest, MANIFEST_PATH, type ManifestProvider, parseManifest } from './manifest.ts';
import type { Pack, PackProvider } from './pack.ts';
import { readArchiveFile } from './pack-file.ts';
import { compareInterface, pluginInterface } from './plugin-interface.ts';
import { compareSbom, readSbom, SBOM_PATH, type SignedSbom } from './sbom.ts';
import { readSchemas } from './schema-files.ts';
import { soundKey, verifySignature } from './signature.ts';
import { readWasmInterface } from './wasm-interface.ts';

/**
 * Reads a pack, bounded and checked: archive, SBOM, manifest, and what each provider's WebAssembly imports and exports.
 * @throws GtpackError `file_unreadable`, and what `openPack` throws
 */
export async function readPack(file: string, limits: ArchiveLimits = DEFAULT_LIMITS): Promise<Pack> {
  return openPack(await readArchiveFile(file, limits), file, limits);
}

/**
 * The same for bytes that are in memory.
 * @param file names the pack in messages
 * @throws GtpackError with codes that start with `archive_`, `manifest_`, `sbom_`, `signature_` and `pack_`, and
 *   `plugin_invalid`
 */
export async function openPack(
  bytes: Uint8Array,
  file: string,
  limits: ArchiveLimits = DEFAULT_LIMITS,
): Promise<Pack> {
  const archive = await readArchive(bytes, file, limits);
  return packOf(archive, decodeManifest(archive, limits), limits);
}

/**
 * The pack of an archive that was read, and of its manifest's value.
 * @throws GtpackError as `openPack`
 */
export async function packOf(archive: VerifiedArchive, value: unknown, limits: ArchiveLimits): Promise<Pack> {
  const { file } = archive;
  const manifest = parseManifest(value, `${file}!${MANIFEST_PATH}`);
  const signer = await signerOf(archive, limits);
  if (manifest.providers === undefined) {
    throw new GtpackError(
      'manifest_unsupported',
      'The pack was made for another host: it lists no providers of this one.',
      {
        file,
        cure: 'Build it with "gtpack pack build DIR".',
      },
    );
  }
  const providers = manifest.providers.map((provider) => openProvider(provider, archive));
  const problems = providers.flatMap(providerProblems(file));
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  return {
    digest: archive.digest,
    file,
    id: manifest.id,
    version: manifest.version,
    publisher: manifest.publisher,
    signer,
    providers,
    flows: textsIn(archive, 'flows/', '.ygtc').map(([path, source]) => ({ path, source })),
    scripts: new Map(textsIn(archive, 'scripts/', '.js')),
  };
}

/**
 * Fingerprint of the key that signed an archive whose files are those of its SBOM; null where nobody did.
 * @throws GtpackError with codes that start with `sbom_` and `signature_`
 */
export async function signerOf(archive: VerifiedArchive, limits: ArchiveLimits): Promise<string | null> {
  const key = soundKey(await verifySignature(archive, await verifiedSbom(archive, limits)));
  return key?.fingerprint ?? null;
}

/**
 * The SBOM of an archive whose files are those that it lists.
 * @throws GtpackError `sbom_missing`, `sbom_invalid`, `sbom_mismatch`
 */
export async function verifiedSbom(archive: VerifiedArchive, limits: ArchiveLimits): Promise<SignedSbom> {
  const sbom = readSbom(archive, limits);
  if (sbom === undefined) {
    throw new GtpackError('sbom_missing', `The archive has no ${SBOM_PATH}.`, {
      file: archive.file,
      cure: 'Build the pack again; its SBOM lists every file with its hash.',
    });
  }
  const [first, ...rest] = await compareSbom(sbom.sbom, archive);
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  return sbom;
}

function openProvider(provider: ManifestProvider, archive: VerifiedArchive): PackProvider {
  const wasm = archive.entries.get(provider.component);
  if (wasm === undefined) {
    throw new GtpackError(
      'pack_component_missing',
      `The component ${quoted(provider.component)} of the provider ${quoted(provider.id)} is not in the archive.`,
      { file: archive.file },
    );
  }
  const schemas = readSchemas(provider, (path) => archive.entries.get(path), archive.file);
  return { ...provider, model: 'plugin', wasm, schemas };
}

/** What would fail at run time. A request that is never used does no harm there. */
function providerProblems(file: string): (provider: PackProvider) => Problem[] {
  return (provider) => {
    const actual = pluginInterface(readWasmInterface(provider.wasm, `${file}!${provider.component}`));
    return compareInterface(provider, actual)
      .filter(({ kind }) => kind !== 'request_unused' && kind !== 'export_undeclared')
      .map(({ message, cure }) => ({ code: 'pack_interface_mismatch', message, cure, file }));
  };
}

/** UTF-8 files of a folder, by path, in bytewise order. */
function textsIn(
  archive: VerifiedArchive,
  folder: string,
  extension: string,
): [path: string, text: string][] {
  return [...archive.entries]
    .filter(([path]) => path.startsWith(folder) && path.endsWith(extension))
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([path, content]) => [path, decodeText(content, `${archive.file}!${path}`)]);
}

function decodeText(content: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw new GtpackError('pack_text_invalid', 'The file is not UTF-8 text.', { file });
  }
}
