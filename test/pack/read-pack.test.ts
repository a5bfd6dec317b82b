import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPack, readPack } from '../../host/pack/read-pack.ts';
import { malformedPacks } from './fixture/malformed-packs.ts';
import { refusal } from './fixture/refusal.ts';
import { packOf, sampleFiles } from './fixture/sample-pack.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-read-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test('a sound pack is read: its providers, requests, flows and scripts', async () => {
  const file = join(dir, 'good.gtpack');
  await writeFile(file, await packOf(sampleFiles()));
  const pack = await readPack(file);
  expect(pack).toMatchObject({ file, id: 'acme.shop', version: '1.2.3', publisher: 'Acme' });
  expect(pack.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(pack.providers).toMatchObject([
    { id: 'hook', kind: 'webhook', exports: ['ingest'], requests: [{ capability: 'http' }] },
  ]);
  expect(
    Buffer.from(pack.providers[0]?.wasm ?? [])
      .subarray(0, 4)
      .toString('latin1'),
  ).toBe('\0asm');
  expect(pack.flows.map(({ path }) => path)).toEqual(['flows/on_order.ygtc']);
  expect([...pack.scripts]).toEqual([['scripts/shop.js', 'export const total = 1;\n']]);
});

test.each(malformedPacks)('a pack with $title is refused', async ({ bytes, code }) => {
  const error = await refusal(openPack(await bytes(), 'bad.gtpack'));
  expect(error.code, error.message).toBe(code);
  expect(error.problems[0].file).toMatch(/^bad\.gtpack/);
});

test('every refusal says what is wrong', async () => {
  const lines: string[] = [];
  for (const { title, bytes } of malformedPacks) {
    const error = await refusal(openPack(await bytes(), 'bad.gtpack'));
    lines.push(`${title}\n  ${error.code}\n  ${error.message.replaceAll('\n', '\n  ')}\n`);
  }
  await expect(lines.join('\n')).toMatchFileSnapshot('../golden/pack/malformed-packs.txt');
});

test('a file that is not there, a folder and a device are refused by name', async () => {
  const missing = await refusal(readPack(join(dir, 'missing.gtpack')));
  expect(missing).toMatchObject({ code: 'file_unreadable' });
  expect(missing.message).toBe(`${join(dir, 'missing.gtpack')}: There is no such file.`);
  expect(await refusal(readPack(dir))).toMatchObject({ code: 'file_unreadable' });
  expect(await refusal(readPack('/dev/zero'))).toMatchObject({ code: 'file_unreadable' });
});

test('a file over the limit is refused by its size, before it is read', async () => {
  const file = join(dir, 'large.gtpack');
  await writeFile(file, Buffer.alloc(2000));
  const { DEFAULT_LIMITS } = await import('../../host/limits.ts');
  const error = await refusal(readPack(file, { ...DEFAULT_LIMITS, maxArchiveBytes: 1000 }));
  expect(error.message).toBe(`${file}: The archive is 2000 bytes long; at most 1000 are read.`);
});
