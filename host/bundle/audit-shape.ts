import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { count, mapping, path, size } from '../written/readers.ts';
import { readYaml } from '../yaml.ts';
import { MAX_BUNDLE_BYTES, readTextFile } from './text-file.ts';

const MiB = 1024 ** 2;
const BUNDLE_FILE = 'bundle.yaml';
const DEFAULT_FILE = '.gtpack/audit/audit.jsonl';
const DEFAULT_MAX_FILE_BYTES = 64 * MiB;
const DEFAULT_KEEP = 10;

/**
 * `audit` of a bundle, as people write it.
 *
 *     audit:
 *       file: .gtpack/audit/audit.jsonl   # relative to the bundle's folder
 *       max_file: 64MiB                   # when the file is put aside and a new one begun
 *       keep: 10                          # files in all
 */
export const auditShape = mapping({
  file: path('the path of the audit log').optional().default(DEFAULT_FILE),
  max_file: size(MiB, 1024 * MiB)
    .optional()
    .default(DEFAULT_MAX_FILE_BYTES),
  keep: count(2, 1000).optional().default(DEFAULT_KEEP),
});

export const DEFAULT_AUDIT = { file: DEFAULT_FILE, max_file: DEFAULT_MAX_FILE_BYTES, keep: DEFAULT_KEEP };

export interface AuditOptions {
  /** Absolute path of the file that is written to; those put aside lie beside it. */
  readonly file: string;
  readonly maxFileBytes: number;
  /** Files in all. */
  readonly keep: number;
}

/**
 * Where the host of a bundle writes its audit log, by as little of the bundle as that takes: the log has to be readable
 * when the bundle, its packs or its secrets are not what they should be.
 * @param path of the bundle's folder or file
 * @throws GtpackError `file_unreadable`, `yaml_invalid`
 */
export async function auditFileOf(path: string): Promise<string> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const bundleFile = isFolder ? join(path, BUNDLE_FILE) : path;
  const text = (await readTextFile(bundleFile, MAX_BUNDLE_BYTES)) ?? '';
  const written = auditShape.safeParse(under(readYaml(text, bundleFile, MAX_BUNDLE_BYTES).value, 'audit'));
  return resolve(dirname(bundleFile), written.success ? written.data.file : DEFAULT_FILE);
}

function under(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return {};
  return Reflect.get(value, key);
}
