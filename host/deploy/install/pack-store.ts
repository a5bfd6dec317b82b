import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, GtpackError } from '../../errors.ts';

/** Relative to the bundle's folder. Packs lie in it under their digests, and below it what is made of them. */
export const STORE_FOLDER = join('.gtpack', 'store');

/**
 * Puts a pack into the store of a bundle, where its name is its content.
 * @param digest of the bytes, BLAKE3, hex
 * @returns its path, relative to the bundle's folder
 * @throws GtpackError `pack_unwritable`
 */
export async function storePack(bundleDir: string, digest: string, bytes: Uint8Array): Promise<string> {
  const path = join(STORE_FOLDER, `${digest}.gtpack`);
  const file = join(bundleDir, path);
  const partial = `${file}.${randomBytes(6).toString('hex')}.partial`;
  try {
    // Also where one is there: it may have been damaged, or be a link, and installing anew is what mends that.
    await mkdir(join(bundleDir, STORE_FOLDER), { recursive: true });
    {
      await using handle = await open(partial, 'wx');
      await handle.writeFile(bytes);
      await handle.sync();
    }
    await rename(partial, file);
    return path;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw new GtpackError('pack_unwritable', `The pack cannot be stored: ${errorMessage(error)}.`, {
      file,
      cure: 'Make the folder of the bundle writable.',
      cause: error,
    });
  }
}
