import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { readYaml } from '../yaml.ts';
import { readTextFile } from './text-file.ts';

const BUNDLE_FILE = 'bundle.yaml';
const MAX_BUNDLE_BYTES = 1024 ** 2;

/** Where the embedded bus lies that a bundle says nothing of. */
export const DEFAULT_BUS_FILE = '.gtpack/bus.sqlite';

/**
 * Where the host of a bundle keeps its bus, by as little of the bundle as that takes: dead letters have to be readable
 * when the bundle, its packs or its secrets are not what they should be.
 * @param path of the bundle's folder or file
 * @returns an absolute path
 * @throws GtpackError `file_unreadable`, `yaml_invalid`
 */
export async function busFileOf(path: string): Promise<string> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const bundleFile = isFolder ? join(path, BUNDLE_FILE) : path;
  const text = (await readTextFile(bundleFile, MAX_BUNDLE_BYTES)) ?? '';
  const file = under(under(readYaml(text, bundleFile).value, 'bus'), 'file');
  return resolve(dirname(bundleFile), typeof file === 'string' && file !== '' ? file : DEFAULT_BUS_FILE);
}

function under(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return Reflect.get(value, key);
}
