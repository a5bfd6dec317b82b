import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Bundle } from '../../bundle/bundle.ts';
import { BUNDLE_FILE, loadBundle } from '../../bundle/load.ts';
import { type EnvName, parseEnvName } from '../../event/names.ts';

/** The part of a bundle that installing looks at. Where there is none yet, an empty one. */
export type InstalledBundle = Pick<Bundle, 'file' | 'dir' | 'env' | 'trust' | 'tenants'>;

/** What a bundle is that does not say. */
const DEFAULT_ENV: EnvName = parseEnvName('dev');

/**
 * @param path a folder, or the bundle file in it; the folder has to exist
 * @throws GtpackError as `loadBundle`
 */
export async function openInstalled(path: string): Promise<InstalledBundle> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = resolve(isFolder ? join(path, BUNDLE_FILE) : path);
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere || !isFolder) return loadBundle(path);
  return { file, dir: dirname(file), env: DEFAULT_ENV, trust: null, tenants: [] };
}
