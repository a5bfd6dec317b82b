import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const host = fileURLToPath(new URL('../../host', import.meta.url));
/** Never part of the repository, and gone with the next `npm ci`. */
const cacheFolder = fileURLToPath(
  new URL('../../node_modules/.cache/gtpack-test-components', import.meta.url),
);

/**
 * Where test bundles keep what the host makes of components. Transpiling and trial compiling are the same for every bundle,
 * and dearer than the start of a host; what is there was made by the sources as they are now.
 */
export function componentStore(): string {
  const hash = createHash('sha256');
  for (const room of ['deploy', 'interop', 'pack', 'sandbox']) {
    for (const entry of readdirSync(join(host, room), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) hash.update(readFileSync(join(entry.parentPath, entry.name)));
    }
  }
  const folder = join(cacheFolder, hash.digest('hex').slice(0, 16));
  mkdirSync(folder, { recursive: true });
  return folder;
}
