import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readArchive } from '../../host/pack/archive-reader.ts';
import { writeArchive } from '../../host/pack/archive-writer.ts';

const files = new Map<string, Uint8Array>([
  ['b/ü', Buffer.from('two')],
  ['a', Buffer.from('one')],
  ['b/Z', Buffer.alloc(0)],
]);

test('the same files give the same bytes, in whatever order they come', () => {
  const reversed = new Map([...files].reverse());
  expect(writeArchive(reversed, 'x')).toEqual(writeArchive(files, 'x'));
});

test('entries are sorted by the bytes of their paths, stored, and dated 1980-01-01', async () => {
  const bytes = writeArchive(files, 'x');
  const archive = await readArchive(bytes, 'x');
  expect([...archive.entries.keys()]).toEqual(['a', 'b/Z', 'b/ü']);
  expect(Buffer.from(bytes).readUInt16LE(8)).toBe(0);
  expect(Buffer.from(bytes).readUInt32LE(10)).toBe(33 << 16);
  // 30 + 46 bytes of headers and twice the name for each entry, 22 for the end: nothing else is in it.
  expect(bytes.length).toBe(3 * 76 + 2 * (1 + 3 + 4) + 6 + 22);
});

test('another program reads it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'gtpack-zip-'));
  try {
    const file = join(dir, 'a.zip');
    await writeFile(file, writeArchive(files, file));
    const { stdout } = await promisify(execFile)('python3', ['-m', 'zipfile', '-l', file]).catch(() => ({
      stdout: undefined,
    }));
    // Where there is no such program the reader's own strictness has to do.
    if (stdout !== undefined) expect(stdout).toMatch(/a .*1980-01-01 00:00:00 .* 3\n/);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('a path that the reader would refuse is not written', () => {
  expect(() => writeArchive(new Map([['../x', Buffer.alloc(1)]]), 'x')).toThrow(/has the segment "\.\."/);
  expect(() =>
    writeArchive(
      new Map([
        ['a', Buffer.alloc(1)],
        ['A', Buffer.alloc(1)],
      ]),
      'x',
    ),
  ).toThrow(/are the same file/);
});

test('whatever is written is read back as it was', async () => {
  const path = fc.string({
    unit: fc.constantFrom('a', 'b', 'ü', '0', '-', '/', '.'),
    minLength: 1,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(path, fc.uint8Array({ maxLength: 64 }), { maxKeys: 8 }),
      async (contents) => {
        const map = new Map(Object.entries(contents));
        let bytes: Uint8Array;
        try {
          bytes = writeArchive(map, 'x');
        } catch {
          return;
        }
        const { entries } = await readArchive(bytes, 'x');
        expect(new Map([...entries].map(([name, content]) => [name, Buffer.from(content)]))).toEqual(
          new Map([...map].map(([name, content]) => [name, Buffer.from(content)])),
        );
      },
    ),
    { numRuns: 200 },
  );
});
