import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'SECURITY.md'), 'utf8');

/** Promise, places in the code, tests. */
function promises(): string[][] {
  const [, table = ''] = /^## Promises\n([\s\S]*?)\n## /m.exec(page) ?? [];
  return table
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| promise '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const files = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);

test('every promise names its place in the code and its test, and each of those files is there', () => {
  expect(promises().length).toBeGreaterThan(0);
  for (const [promise, code, tests] of promises()) {
    const places = files(code);
    const holders = files(tests);
    expect({ promise, places: places.length > 0, holders: holders.length > 0 }).toEqual({
      promise,
      places: true,
      holders: true,
    });
    expect(places.filter((file) => !file.startsWith('host/') || !existsSync(join(root, file)))).toEqual([]);
    expect(holders.filter((file) => !file.endsWith('.test.ts') || !existsSync(join(root, file)))).toEqual([]);
  }
});
