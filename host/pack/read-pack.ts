import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { quoted } from '../event/names.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { type ArchiveLimits, archiveTooLarge } from './archive-limits.ts';
import { readArchive, type VerifiedArchive } from './archive-reader.ts';
import { type ManifestProvider, readManifest } from './manifest.ts';
import type { Pack, PackProvider } from './pack.ts';
import { compareInterface, pluginInterface } from './plugin-interface.ts';
import { compareSbom, readSbom, SBOM_PATH } from './sbom.ts';
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
 * @throws GtpackError with codes that start with `archive_`, `manifest_`, `sbom_` and `pack_`, and `plugin_invalid`
 */
export async function openPack(
  bytes: Uint8Array,
  file: string,
  limits: ArchiveLimits = DEFAULT_LIMITS,
): Promise<Pack> {
  const archive = await readArchive(bytes, file, limits);
  const manifest = readManifest(archive, limits);
  await verifySbom(archive, limits);
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
    providers,
    flows: textsIn(archive, 'flows/', '.ygtc').map(([path, source]) => ({ path, source })),
    scripts: new Map(textsIn(archive, 'scripts/', '.js')),
  };
}

/** The bytes of a regular file within the limit. @throws GtpackError `file_unreadable`, `archive_too_large` */
export async function readArchiveFile(file: string, limits: ArchiveLimits): Promise<Uint8Array> {
  try {
    // Non-blocking, or opening a pipe would wait for a writer.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) {
      throw new GtpackError('file_unreadable', 'A pack is a file; this is a folder or a device.', { file });
    }
    if (stat.size > limits.maxArchiveBytes) throw archiveTooLarge(file, stat.size, limits);
    const bytes = Buffer.alloc(stat.size);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } catch (error) {
    if (error instanceof GtpackError) throw error;
    throw unreadable(error, file);
  }
}

function unreadable(error: unknown, file: string): GtpackError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message =
    code === 'ENOENT'
      ? 'There is no such file.'
      : code === 'EACCES'
        ? 'The file may not be read by this user.'
        : `The file cannot be read: ${errorMessage(error)}.`;
  return new GtpackError('file_unreadable', message, { file, cause: error });
}

async function verifySbom(archive: VerifiedArchive, limits: ArchiveLimits): Promise<void> {
  const sbom = readSbom(archive, limits);
  if (sbom === undefined) {
    throw new GtpackError('sbom_missing', `The archive has no ${SBOM_PATH}.`, {
      file: archive.file,
      cure: 'Build the pack again; its SBOM lists every file with its hash.',
    });
  }
  const [first, ...rest] = await compareSbom(sbom, archive);
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
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
  return { ...provider, wasm };
}

/** What would fail at run time. A request that is never used does no harm there. */
function providerProblems(file: string): (provider: PackProvider) => Problem[] {
  return (provider) => {
    const actual = pluginInterface(readWasmInterface(provider.wasm, `${file}!${provider.component}`));
    return compareInterface(provider, actual)
      .filter(
        ({ kind }) => kind === 'export_missing' || kind === 'request_missing' || kind === 'import_foreign',
      )
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
