import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');

/** Folders in the first column of the table. */
const listed = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .flatMap((line) =>
    [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)\/`/g)].map(([, folder = '']) => folder),
  );

test('the table of folders names every room of the host, and none that is not there', () => {
  const rooms = readdirSync(join(root, 'host'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(join(root, 'host', entry.name)).length > 0)
    .map(({ name }) => `host/${name}`);
  expect(rooms.filter((room) => !listed.includes(room))).toEqual([]);
  expect(listed.filter((folder) => !existsSync(join(root, folder)))).toEqual([]);
});
