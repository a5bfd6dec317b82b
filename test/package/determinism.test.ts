import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeKeyPair } from '../../host/pack/key-file.ts';

/** Same source, same bytes, on any machine: the command line itself, in surroundings that have nothing in common. */

const root = join(import.meta.dirname, '../..');
const gtpack = join(root, 'host/cli/gtpack.mjs');

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'determinism-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Machine {
  readonly place: string;
  readonly umask: string;
  readonly mode: number;
  readonly modifiedAt: Date;
  /** Files are made in the order of their names, or against it. */
  readonly backwards: boolean;
  readonly env: Readonly<Record<string, string>>;
}

const MACHINES: readonly [Machine, Machine] = [
  {
    place: 'one',
    umask: '022',
    mode: 0o644,
    modifiedAt: new Date('2001-02-03T04:05:06Z'),
    backwards: false,
    env: { TZ: 'UTC', LANG: 'C', LC_ALL: 'C', HOME: '/nowhere' },
  },
  {
    place: join('a much deeper', 'place – für alle', 'x'.repeat(60)),
    umask: '077',
    mode: 0o755,
    modifiedAt: new Date('2031-07-08T09:10:11Z'),
    backwards: true,
    env: {
      TZ: 'Pacific/Kiritimati',
      LANG: 'tr_TR.UTF-8',
      LC_ALL: 'tr_TR.UTF-8',
      HOME: tmpdir(),
      NODE_ENV: 'production',
      FORCE_COLOR: '1',
      COLUMNS: '20',
    },
  },
];

/** Two in AssemblyScript and one in TypeScript, whose component is a memory image of its script engine. */
const PACKS = ['packs/events-webhook', 'packs/events-timer', 'test/guests/echo-ts'];

/** Builds and signs copies of the packs as one machine would. @returns the archives */
async function builtOn(machine: Machine, key: string): Promise<Buffer[]> {
  const copies: string[] = [];
  for (const pack of PACKS) copies.push(await copyOf(pack, machine));
  const out = join(dir, machine.place, 'out');
  const script = `umask ${machine.umask} && exec "$NODE" "$GTPACK" pack build "$@" --out "$OUT" --sign "$KEY"`;
  await promisify(execFile)('/bin/sh', ['-c', script, 'sh', ...copies], {
    cwd: join(dir, machine.place),
    env: {
      PATH: process.env.PATH ?? '',
      NODE: process.execPath,
      GTPACK: gtpack,
      OUT: out,
      KEY: key,
      SOURCE_DATE_EPOCH: '1700000000',
      ...machine.env,
    },
  });
  return Promise.all(PACKS.map((pack) => readFile(join(out, `${basename(pack)}.gtpack`))));
}

async function copyOf(pack: string, machine: Machine): Promise<string> {
  const source = join(root, pack);
  const copy = join(dir, machine.place, pack);
  const names = (await readdir(source, { recursive: true, withFileTypes: true }))
    .map((entry) => ({ entry, name: join(entry.parentPath, entry.name).slice(source.length + 1) }))
    .filter(({ entry, name }) => entry.isFile() && !name.startsWith('build'))
    .map(({ name }) => name)
    .sort();
  for (const name of machine.backwards ? names.reverse() : names) {
    const file = join(copy, name);
    await mkdir(dirname(file), { recursive: true });
    await copyFile(join(source, name), file);
    await chmod(file, machine.mode);
    await utimes(file, machine.modifiedAt, machine.modifiedAt);
  }
  return copy;
}

test('a signed pack has the same bytes from every folder, time zone, umask, locale, file order and mtime', async () => {
  const key = join(dir, 'key');
  await writeKeyPair(key);
  const [one, other] = [await builtOn(MACHINES[0], key), await builtOn(MACHINES[1], key)];
  for (const [index, pack] of PACKS.entries()) {
    expect(other[index]?.equals(one[index] ?? Buffer.alloc(0)), pack).toBe(true);
    expect(one[index]?.includes('2023-11-14T22:13:20Z'), pack).toBe(true);
    for (const trace of [root, dir, 'node_modules'])
      expect(one[index]?.includes(trace), `${trace} in ${pack}`).toBe(false);
  }
}, 180_000);
