import { readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Inside the bundle's folder. */
export const CONTROL_SOCKET = join('.gtpack', 'host.sock');

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, the closing NUL included. */
const MAX_SOCKET_PATH_BYTES = 103;

export function controlSocketPath(bundleDir: string): string {
  return join(bundleDir, CONTROL_SOCKET);
}

export function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
}

/**
 * What has to be dialled to reach the socket of this bundle. In a folder too deep for a socket's address, `host.sock`
 * is a link to a socket in a private folder elsewhere; then it is the link's target.
 * @throws what `readlink` throws, such as ENOENT where no host runs
 */
export async function dialledPath(bundleDir: string): Promise<string> {
  const path = controlSocketPath(bundleDir);
  return fitsSocket(path) ? path : await readlink(path);
}
