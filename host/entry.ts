import { fileURLToPath } from 'node:url';

/**
 * Where the entry files of threads and child processes lie. The one place that knows a checkout (`.ts`, run as
 * it is) from a published package (`dist`, compiled `.js`: Node refuses `.ts` under `node_modules`).
 */
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

export type EntryName = 'cell-host' | 'cell' | 'bus-store' | 'bus-check' | 'transpile' | 'try-compile';

export function entryUrl(name: EntryName): URL {
  return new URL(`./entry/${name}${extension}`, import.meta.url);
}

/** The folder that holds the host's own code. */
export const hostFolder: string = fileURLToPath(new URL('.', import.meta.url));
