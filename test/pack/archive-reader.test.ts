import { expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { readArchive } from '../../host/pack/archive-reader.ts';
import { dangerousNames } from './fixture/dangerous-names.ts';
import { lyingArchives } from './fixture/lying-archives.ts';
import { malformedArchives } from './fixture/malformed-archives.ts';
import { refusal } from './fixture/refusal.ts';
import { rawZip } from './fixture/zip.ts';

const malformed = [...malformedArchives(), ...dangerousNames(), ...lyingArchives()];

test.each(malformed)('an archive with $title is refused', async ({ bytes, code }) => {
  const error = await refusal(readArchive(bytes, 'bad.gtpack'));
  expect(error.code, error.message).toBe(code);
  expect(error.problems[0].file).toBe('bad.gtpack');
});

test('every refusal says what is wrong', async () => {
  const lines: string[] = [];
  for (const { title, bytes } of malformed) {
    const error = await refusal(readArchive(bytes, 'bad.gtpack'));
    lines.push(`${title}\n  ${error.code}\n  ${error.message}\n`);
  }
  await expect(lines.join('\n')).toMatchFileSnapshot('../golden/pack/malformed-archives.txt');
});

test('stored and deflated entries, folders and data descriptors are read', async () => {
  const bytes = rawZip([
    { name: 'flows/' },
    { name: 'flows/a.ygtc', content: 'name: a' },
    { name: 'b.txt', content: 'deflated '.repeat(20), deflate: true },
    { name: 'c.txt', content: 'with a descriptor, with a descriptor', deflate: true, descriptor: true },
    { name: 'd.txt', content: 'stored' },
    { name: 'empty', content: '' },
    { name: 'empty-deflated', content: '', deflate: true },
    { name: 'schön', content: 'ü' },
  ]);
  const archive = await readArchive(bytes, 'good.gtpack');
  expect([...archive.entries].map(([path, content]) => [path, Buffer.from(content).toString()])).toEqual([
    ['flows/a.ygtc', 'name: a'],
    ['b.txt', 'deflated '.repeat(20)],
    ['c.txt', 'with a descriptor, with a descriptor'],
    ['d.txt', 'stored'],
    ['empty', ''],
    ['empty-deflated', ''],
    ['schön', 'ü'],
  ]);
});

test('the digest is the BLAKE3 of all bytes', async () => {
  const { digest } = await readArchive(rawZip([]), 'empty.gtpack');
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  expect((await readArchive(rawZip([{ name: 'a' }]), 'a.gtpack')).digest).not.toBe(digest);
});

test('a narrower limit holds: entries, entry bytes, archive bytes', async () => {
  const bytes = rawZip([
    { name: 'a', content: 'a'.repeat(500), deflate: true },
    { name: 'b', content: 'b'.repeat(100) },
  ]);
  const codeWith = async (limits: object): Promise<string> =>
    (await refusal(readArchive(bytes, 'x', { ...DEFAULT_LIMITS, ...limits }))).code;
  expect(await codeWith({ maxEntries: 1 })).toBe('archive_too_many_entries');
  expect(await codeWith({ maxEntryBytes: 499 })).toBe('archive_entry_too_large');
  expect(await codeWith({ maxArchiveBytes: bytes.length - 1 })).toBe('archive_too_large');
  expect(await codeWith({ maxArchiveBytes: 550 })).toBe('archive_too_large');
});

test('the ratio holds for entries of more than 64 KiB', async () => {
  const zip = (size: number): Buffer => rawZip([{ name: 'a', content: Buffer.alloc(size), deflate: true }]);
  await expect(readArchive(zip(65_536), 'x')).resolves.toHaveProperty('digest');
  expect((await refusal(readArchive(zip(65_537), 'x'))).code).toBe('archive_ratio_exceeded');
  await expect(
    readArchive(zip(65_537), 'x', { ...DEFAULT_LIMITS, maxCompressionRatio: 1000 }),
  ).resolves.toHaveProperty('digest');
});

test('an entry exactly at its limits is read', async () => {
  const bytes = rawZip([{ name: 'a', content: 'a'.repeat(500), deflate: true }]);
  const archive = await readArchive(bytes, 'x', {
    ...DEFAULT_LIMITS,
    maxEntryBytes: 500,
    maxArchiveBytes: 500,
    maxEntries: 1,
  });
  expect(archive.entries.get('a')?.length).toBe(500);
});

test('a flipped byte anywhere is refused or changes the digest', async () => {
  const bytes = rawZip([
    { name: 'manifest.cbor', content: 'one' },
    { name: 'flows/a.ygtc', content: 'two and two and two', deflate: true },
  ]);
  const { digest } = await readArchive(bytes, 'x');
  for (let index = 0; index < bytes.length; index += 1) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8((changed[index] ?? 0) ^ 0x41, index);
    const result = await readArchive(changed, 'x').catch((error: unknown) => error);
    if (result instanceof GtpackError) continue;
    expect(result).toHaveProperty('digest');
    expect(result).not.toHaveProperty('digest', digest);
  }
});
