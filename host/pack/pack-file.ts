import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorMessage, GtpackError } from '../errors.ts';
import { type ArchiveLimits, archiveTooLarge } from './archive-limits.ts';

/** A pack as a file. */

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

/**
 * Beside its place first, so that no reader ever sees half a pack; under a name that nobody can have laid a link on.
 * @throws GtpackError `pack_unwritable`
 */
export async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  const partial = `${file}.${randomBytes(6).toString('hex')}.partial`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(partial, bytes, { flag: 'wx' });
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw new GtpackError('pack_unwritable', `The pack cannot be written: ${errorMessage(error)}.`, {
      file,
      cause: error,
    });
  }
}
