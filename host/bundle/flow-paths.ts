import { glob, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';

const GLOB = /[*?[\]{}]/;

/**
 * The flow files that an entry of `flows` names, absolute and sorted. An entry that names an existing file is a path,
 * whatever characters it has; any other with `*`, `?`, `[` or `{` is a glob.
 * @returns why the entry names none, when it does not
 */
export async function flowPaths(dir: string, entry: string): Promise<readonly string[] | string> {
  const file = resolve(dir, entry);
  if (await isFile(file)) return [file];
  if (!GLOB.test(entry)) return `The flow ${JSON.stringify(entry)} is missing: there is no file ${file}.`;
  const found: string[] = [];
  for await (const match of glob(entry, { cwd: dir })) {
    const path = resolve(dir, match);
    if (await isFile(path)) found.push(path);
  }
  if (found.length === 0) {
    return `The glob ${JSON.stringify(entry)} matches no file${isAbsolute(entry) ? '' : ` in ${dir}`}.`;
  }
  return found.sort((a, b) => (a < b ? -1 : 1));
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
