import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The SDK's folder: beside `host` in a checkout, beside `dist` in the published package, where this file lies one level
 * deeper.
 */
export const sdkFolder: string = findSdk(dirname(fileURLToPath(import.meta.url)));

function findSdk(start: string): string {
  for (let dir = start; dir !== dirname(dir); dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json'))) return join(dir, 'sdk');
  }
  return join(start, 'sdk');
}
