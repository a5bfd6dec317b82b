import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, GtpackError } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { pathFault } from './entry-path.ts';

/** Folders of a pack's source that go into the archive as they are. */
export const SOURCE_FOLDERS = ['flows', 'scripts', 'schemas', 'assets'] as const;

const MAX_DEPTH = 16;

/**
 * The files of the folders, by their path in the archive. Names that start with a dot are left out: what lies there is
 * the author's machine's.
 * @throws GtpackError `pack_source_invalid`
 */
export async function readSourceFolders(root: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const folder of SOURCE_FOLDERS) {
    const stat = await lstat(join(root, folder)).catch(() => undefined);
    if (stat !== undefined) await readFolder(root, folder, 1, files);
  }
  return files;
}

async function readFolder(
  root: string,
  folder: string,
  depth: number,
  files: Map<string, Uint8Array>,
): Promise<void> {
  const place = join(root, folder);
  if (depth > MAX_DEPTH) throw refused(place, `The folder lies deeper than ${MAX_DEPTH} levels.`);
  const items = await readdir(place, { withFileTypes: true }).catch((error: unknown) => {
    throw refused(place, `The folder cannot be read: ${errorMessage(error)}.`, error);
  });
  for (const item of items) {
    if (item.name.startsWith('.')) continue;
    const path = `${folder}/${item.name}`;
    const file = join(root, path);
    // Some file systems hand back names in another normal form than they were given.
    const fault = path === path.normalize('NFC') ? pathFault(path) : 'is not in Unicode normal form C';
    if (fault !== undefined) throw refused(file, `The path ${fault}.`);
    if (item.isDirectory()) {
      await readFolder(root, path, depth + 1, files);
    } else if (item.isFile()) {
      if (files.size >= DEFAULT_LIMITS.maxEntries)
        throw refused(file, `There are more than ${DEFAULT_LIMITS.maxEntries} files.`);
      files.set(path, await readSourceFile(file));
    } else {
      throw refused(file, 'It is a link or a device; a pack holds files only.');
    }
  }
}

async function readSourceFile(file: string): Promise<Uint8Array> {
  const { size } = await lstat(file);
  if (size > DEFAULT_LIMITS.maxEntryBytes) {
    throw refused(
      file,
      `The file is ${size} bytes long; at most ${DEFAULT_LIMITS.maxEntryBytes} are allowed.`,
    );
  }
  try {
    return await readFile(file);
  } catch (error) {
    throw refused(file, `The file cannot be read: ${errorMessage(error)}.`, error);
  }
}

function refused(file: string, message: string, cause?: unknown): GtpackError {
  return new GtpackError('pack_source_invalid', message, { file, cause });
}
