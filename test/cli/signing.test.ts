import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostRooms } from '../../host/cli/rooms.ts';
import { packOf, sampleFiles } from '../pack/fixture/sample-pack.ts';
import { runToEnd } from './desk.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'signing-'));
  await writeFile(join(dir, 'shop.gtpack'), await packOf(sampleFiles()));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const gtpack = (...argv: string[]) => runToEnd(argv, { cwd: dir, rooms: hostRooms });

test('a new key pair signs a pack that its public key verifies', async () => {
  const keygen = await gtpack('keygen', 'acme', '--json');
  const { fingerprint } = JSON.parse(keygen.out);
  expect((await stat(join(dir, 'acme'))).mode & 0o777).toBe(0o600);
  expect(await gtpack('pack', 'sign', 'shop.gtpack', '--key', 'acme')).toMatchObject({
    status: 0,
    out: `Signed shop.gtpack by blake3:${fingerprint}.\n`,
  });
  const verified = await gtpack('pack', 'verify', 'shop.gtpack', '--trust', 'acme.pub', '--json');
  expect([verified.status, JSON.parse(verified.out)]).toMatchObject([0, { ok: true, fingerprint }]);
});

test('a signature by a key that is not trusted is status 1, and one that is missing is named', async () => {
  await gtpack('keygen', 'acme');
  await gtpack('keygen', 'other');
  expect(await gtpack('pack', 'verify', 'shop.gtpack', '--trust', 'acme.pub')).toMatchObject({
    status: 1,
    err: expect.stringContaining('The pack is not signed.'),
  });
  await gtpack('pack', 'sign', 'shop.gtpack', '--key', 'other', '--out', 'signed.gtpack');
  expect(await gtpack('pack', 'verify', 'signed.gtpack', '--trust', 'acme.pub')).toMatchObject({
    status: 1,
    out: expect.stringContaining('This key is not one of those given with --trust.'),
  });
  const both = await gtpack('pack', 'verify', 'signed.gtpack', '--trust', 'acme.pub', 'other.pub');
  expect(both.status).toBe(0);
});

test('a key is never overwritten, and half a pair is not left behind', async () => {
  await writeFile(join(dir, 'acme'), 'mine');
  expect(await gtpack('keygen', 'acme')).toMatchObject({
    status: 1,
    err: expect.stringContaining('a key is never overwritten'),
  });
  expect(await readFile(join(dir, 'acme'), 'utf8')).toBe('mine');
  await expect(stat(join(dir, 'acme.pub'))).rejects.toThrow('ENOENT');
});

test('what is no key of the right half is refused', async () => {
  await gtpack('keygen', 'acme');
  const bySecret = await gtpack('pack', 'verify', 'shop.gtpack', '--trust', 'acme');
  expect(bySecret).toMatchObject({ status: 1, err: expect.stringContaining('a private one came') });
  const withPublic = await gtpack('pack', 'sign', 'shop.gtpack', '--key', 'acme.pub');
  expect(withPublic).toMatchObject({
    status: 1,
    err: expect.stringContaining('An Ed25519 key was expected'),
  });
  const missing = await gtpack('pack', 'sign', 'shop.gtpack', '--key', 'nowhere');
  expect(missing).toMatchObject({ status: 1, err: expect.stringContaining('The key cannot be read') });
});

test('SOURCE_DATE_EPOCH makes the same signed bytes twice, and is read strictly', async () => {
  await gtpack('keygen', 'acme');
  const signed = async (out: string, epoch: string) =>
    runToEnd(['pack', 'sign', 'shop.gtpack', '--key', 'acme', '--out', out], {
      cwd: dir,
      rooms: hostRooms,
      env: { SOURCE_DATE_EPOCH: epoch },
    });
  await signed('a.gtpack', '1700000000');
  await signed('b.gtpack', '1700000000');
  expect(await readFile(join(dir, 'a.gtpack'))).toEqual(await readFile(join(dir, 'b.gtpack')));
  expect(await signed('c.gtpack', 'yesterday')).toMatchObject({ status: 2 });
});
