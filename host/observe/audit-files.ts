import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';

/** One file of an audit log that was put aside. */
export interface AsideFile {
  readonly path: string;
  /** Grows by one with each file, so that putting one aside is a single renaming. */
  readonly number: number;
}

/** `audit.jsonl` becomes `audit.000001.jsonl`, then `audit.000002.jsonl`, … */
export function asidePath(file: string, number: number): string {
  const ending = extname(file);
  return join(dirname(file), `${basename(file, ending)}.${String(number).padStart(6, '0')}${ending}`);
}

/** The files that were put aside, the oldest first. None where there is no such folder. */
export async function asideFiles(file: string): Promise<AsideFile[]> {
  const ending = extname(file);
  const start = `${basename(file, ending)}.`;
  const names = await readdir(dirname(file)).catch(() => []);
  return names
    .flatMap((name) => {
      const digits = name.slice(start.length, name.length - ending.length);
      const number = /^\d{6,12}$/.test(digits) ? Number(digits) : Number.NaN;
      const path = join(dirname(file), name);
      return Number.isNaN(number) || asidePath(file, number) !== path ? [] : [{ path, number }];
    })
    .sort((a, b) => a.number - b.number);
}
