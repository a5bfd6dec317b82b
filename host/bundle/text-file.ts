import { constants, type FileHandle, open } from 'node:fs/promises';
import { errorMessage, GtpackError } from '../errors.ts';

/** Of a bundle's file and of its lock, which are the operator's own: room for ten thousand tenants. */
export const MAX_BUNDLE_BYTES: number = 4 * 1024 ** 2;

/**
 * Reads a regular file of UTF-8 text, at most `maxBytes` of it, whatever is put in its place meanwhile.
 * @returns undefined where no file is
 * @throws GtpackError `file_unreadable`
 */
export async function readTextFile(file: string, maxBytes: number): Promise<string | undefined> {
  let handle: FileHandle;
  try {
    // Not to wait for a writer, if somebody put a pipe there.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw new GtpackError('file_unreadable', `The file cannot be read: ${errorMessage(error)}.`, {
      file,
      cause: error,
    });
  }
  try {
    return await readOpenFile(handle, file, maxBytes);
  } finally {
    await handle.close();
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

async function readOpenFile(handle: FileHandle, file: string, maxBytes: number): Promise<string> {
  const stat = await handle.stat();
  if (!stat.isFile())
    throw new GtpackError('file_unreadable', 'A file was expected; this is none.', { file });
  if (stat.size > maxBytes) {
    throw new GtpackError(
      'file_unreadable',
      `The file is ${stat.size} bytes long; at most ${maxBytes} are read.`,
      { file },
    );
  }
  const bytes = new Uint8Array(stat.size);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(bytes, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, filled));
  } catch (error) {
    throw new GtpackError('file_unreadable', 'The file is not UTF-8 text.', { file, cause: error });
  }
}
