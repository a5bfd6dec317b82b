import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readArchive } from '../../host/pack/archive-reader.ts';
import { folderOf } from './fixture/folder.ts';
import { lyingArchives } from './fixture/lying-archives.ts';
import { malformedArchives } from './fixture/malformed-archives.ts';
import { rawZip } from './fixture/zip.ts';

const MiB = 1024 * 1024;

/** Deflated zeros that come to `mebibytes`, without anybody holding them. */
function zeros(mebibytes: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(MiB), { finishFlush: constants.Z_FULL_FLUSH });
  return Buffer.concat([Buffer.alloc(block.length * mebibytes, block), deflateRawSync(Buffer.alloc(0))]);
}

async function readElsewhere(files: readonly string[]): Promise<{ codes: string[]; peakBytes: number }> {
  const reader = join(import.meta.dirname, 'fixture/bomb-reader.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [reader, ...files]);
  return JSON.parse(stdout);
}

test('whatever an archive says of itself, reading it takes no more memory than the caps allow', async () => {
  const bombs = [
    // 4 MiB that come to 4 GiB, as their header says, and as it denies.
    ['deep', rawZip([{ name: 'z', method: 8, packed: zeros(4096), size: 4000 * MiB, crc: 0 }])],
    ['modest', rawZip([{ name: 'z', method: 8, packed: zeros(4096), size: 10, crc: 0 }])],
    ...[...malformedArchives(), ...lyingArchives()]
      .filter(
        ({ title }) =>
          title === 'deflated entries of more than 64 MiB in all' || title === '1,000,000 entries',
      )
      .map(({ title, bytes }) => [title, bytes] as const),
  ] as const;
  await using folder = await folderOf({
    small: rawZip([{ name: 'a' }]),
    ...Object.fromEntries(bombs.map(([, bytes], index) => [`bomb-${index}`, bytes])),
  });
  const empty = await readElsewhere([join(folder.path, 'small')]);
  const full = await readElsewhere(bombs.map((_, index) => join(folder.path, `bomb-${index}`)));
  expect(full.codes).toEqual([
    'archive_entry_too_large',
    'archive_entry_too_large',
    'archive_too_large',
    'archive_too_many_entries',
  ]);
  // The file, its content, one entry more while it is inflated, and as much again that waits for the collector.
  expect(full.peakBytes - empty.peakBytes).toBeLessThan(2 * (64 + 64 + 16) * MiB);
});

test('an archive in an archive is a file: nothing opens it, so bombs in bombs and quines stay what they are', async () => {
  let bytes = rawZip([{ name: 'z', method: 8, packed: zeros(4096), size: 10, crc: 0 }]);
  for (let level = 0; level < 6; level += 1) {
    bytes = rawZip(Array.from({ length: 2 }, (_, index) => ({ name: `${index}.gtpack`, content: bytes })));
    if (bytes.length > 8 * MiB) break;
  }
  const { entries } = await readArchive(bytes, 'x');
  const total = [...entries.values()].reduce((sum, { length }) => sum + length, 0);
  expect(total).toBeLessThan(bytes.length);
});

test('what is kept of an archive lies in buffers of its own, no larger than what was read', async () => {
  const bytes = rawZip([
    { name: 'a', content: 'stored' },
    { name: 'b', content: 'deflated '.repeat(1000), deflate: true },
  ]);
  for (const content of (await readArchive(bytes, 'x')).entries.values()) {
    expect(content.buffer.byteLength).toBe(content.length);
  }
});
