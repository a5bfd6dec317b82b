import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { hostRooms } from '../../host/cli/rooms.ts';
import { deploy } from '../../host/deploy/deployment.ts';
import { InstallTurn } from '../../host/deploy/install/install-turn.ts';
import { GtpackError } from '../../host/errors.ts';
import { writeArchive } from '../../host/pack/archive-writer.ts';
import { encodeManifest } from '../../host/pack/manifest.ts';
import { encodeSbom } from '../../host/pack/sbom.ts';
import { withSignature } from '../../host/pack/signature.ts';
import type { SigningKey } from '../../host/pack/signing-key.ts';
import { newKey, packOf, sampleFiles, sampleProvider } from '../pack/fixture/sample-pack.ts';
import { coreModule } from '../pack/fixture/wasm.ts';
import { runToEnd } from './desk.ts';

let dir = '';
let bundleDir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'install-'));
  bundleDir = join(dir, 'bundle');
  await mkdir(bundleDir);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A pack that asks for nothing. */
async function quietPack(version: string, key?: SigningKey): Promise<Uint8Array> {
  const files = sampleFiles();
  const provider = { ...sampleProvider, requests: [] };
  files.set(
    'manifest.cbor',
    encodeManifest({ id: 'acme.shop', version, publisher: 'Acme', providers: [provider] }),
  );
  files.set('components/hook.wasm', coreModule({ imports: [['env', 'abort']], exports: ['ingest'] }));
  for (const path of ['flows/on_order.ygtc', 'scripts/shop.js']) files.delete(path);
  if (key === undefined) return packOf(files);
  const sbom = await encodeSbom(files);
  files.set('sbom.cbor', sbom.bytes);
  return writeArchive(await withSignature(files, sbom, key, '2026-01-02T03:04:05Z'), 'x');
}

const gtpack = (...argv: string[]) => runToEnd(argv, { cwd: dir, rooms: hostRooms });
const install = (file: string, ...argv: string[]) =>
  gtpack('install', file, '--bundle', 'bundle', '--yes', ...argv);
const bundleFile = () => join(bundleDir, 'bundle.yaml');

/** What a start says of the bundle: the codes of what it refuses. */
async function started(): Promise<string[]> {
  try {
    await deploy(await loadBundle(bundleDir), 'compare');
    return [];
  } catch (error) {
    if (error instanceof GtpackError) return error.problems.map(({ code }) => code);
    throw error;
  }
}

async function storedPack(): Promise<string> {
  const store = join(bundleDir, '.gtpack', 'store');
  const names = await readdir(store);
  return join(store, names.find((name) => name.endsWith('.gtpack')) ?? 'none');
}

describe('a pack in the store', () => {
  test('that was replaced after it was installed is refused at the start, and installing anew mends it', async () => {
    await writeFile(join(dir, 'shop.gtpack'), await quietPack('1.0.0'));
    await install('shop.gtpack');
    expect(await started()).toEqual([]);
    const other = await quietPack('6.6.6');
    expect(other.length).toBe((await stat(await storedPack())).size);
    await writeFile(await storedPack(), other);
    expect(await started()).toEqual(['pack_changed']);
    expect((await install('shop.gtpack')).status).toBe(0);
    expect(await started()).toEqual([]);
  });

  test('is a file of its own, where somebody laid a link before', async () => {
    await writeFile(join(dir, 'shop.gtpack'), await quietPack('1.0.0'));
    await install('shop.gtpack');
    const stored = await storedPack();
    const elsewhere = join(dir, 'elsewhere');
    await writeFile(elsewhere, 'x'.repeat((await stat(stored)).size));
    await rm(stored);
    await symlink(elsewhere, stored);
    expect((await install('shop.gtpack')).status).toBe(0);
    expect((await lstat(stored)).isFile()).toBe(true);
    expect(await readFile(elsewhere, 'utf8')).toMatch(/^x+$/);
    expect(await started()).toEqual([]);
  });

  test('leaves no half of itself behind', async () => {
    await writeFile(join(dir, 'shop.gtpack'), await quietPack('1.0.0'));
    await install('shop.gtpack');
    const names = await readdir(bundleDir, { recursive: true });
    expect(names.filter((name) => /partial|tmp/.test(name))).toEqual([]);
  });
});

describe('the bundle file', () => {
  beforeEach(async () => writeFile(join(dir, 'shop.gtpack'), await quietPack('1.0.0')));

  test('that is a link stays one, and what it points to is changed', async () => {
    await mkdir(join(dir, 'shared'));
    await writeFile(join(dir, 'shared/production.yaml'), 'providers:\n  old: { pack: ../shop.gtpack }\n');
    await symlink('../shared/production.yaml', bundleFile());
    expect((await install('shop.gtpack')).status).toBe(0);
    expect(await readlink(bundleFile())).toBe('../shared/production.yaml');
    expect(await readFile(join(dir, 'shared/production.yaml'), 'utf8')).toContain('hook:');
    expect(await readdir(join(dir, 'shared'))).toEqual(['production.yaml']);
  });

  test('keeps who may read it', async () => {
    await writeFile(bundleFile(), 'providers:\n  old: { pack: ../shop.gtpack }\n');
    await chmod(bundleFile(), 0o600);
    await install('shop.gtpack');
    expect((await stat(bundleFile())).mode & 0o777).toBe(0o600);
  });

  test('with an alias for the provider keeps what the alias stood for', async () => {
    await writeFile(
      bundleFile(),
      'providers:\n  first: &first { pack: ../shop.gtpack, config: { a: 1 }, grants: { state: {} } }\n  hook: *first\n',
    );
    expect((await install('shop.gtpack')).err).not.toContain('Error');
    const { tenants } = await loadBundle(bundleDir);
    expect(tenants[0]?.providers).toMatchObject([
      { id: 'first', pack: join(dir, 'shop.gtpack'), config: { a: 1 } },
      { id: 'hook', pack: await storedPack(), config: { a: 1 } },
    ]);
  });

  test('with an anchor on the provider is refused, rather than change the others that name it', async () => {
    const text = 'providers:\n  hook: &hook { pack: ../shop.gtpack }\n  second: *hook\n';
    await writeFile(bundleFile(), text);
    const { status, err } = await install('shop.gtpack');
    expect([status, err]).toEqual([
      1,
      expect.stringContaining('would change the provider default/second, too'),
    ]);
    expect(await readFile(bundleFile(), 'utf8')).toBe(text);
  });

  test('with aliases for grants and trust is changed where it should be', async () => {
    const key = await newKey();
    await writeFile(join(dir, 'signed.gtpack'), await quietPack('2.0.0', key));
    await writeFile(
      bundleFile(),
      `providers:\n  first: { pack: ../shop.gtpack, config: &list ["blake3:${'a'.repeat(64)}"] }\ntrust: *list\n`,
    );
    expect((await install('signed.gtpack', '--trust-signer')).status).toBe(0);
    const { trust, tenants } = await loadBundle(bundleDir);
    expect(trust).toEqual(new Set(['a'.repeat(64), key.publicKey.fingerprint]));
    expect(tenants[0]?.providers[0]?.config).toEqual([`blake3:${'a'.repeat(64)}`]);
  });
});

describe('two at once', () => {
  beforeEach(async () => writeFile(join(dir, 'shop.gtpack'), await quietPack('1.0.0')));

  test('lose nothing of each other: one waits its turn, or is told to come again', async () => {
    const done = await Promise.all(
      ['a', 'b', 'c'].map(async (id) => ({ id, ...(await install('shop.gtpack', '--provider', id)) })),
    );
    const told = done.filter(({ status }) => status !== 0);
    for (const { err } of told) expect(err).toContain('Another gtpack is installing into this bundle.');
    const names = done.filter(({ status }) => status === 0).map(({ id }) => id);
    const { tenants } = await loadBundle(bundleDir);
    expect(tenants[0]?.providers.map(({ id }) => id).sort()).toEqual(names);
    const lock = await readFile(join(bundleDir, 'gtpack.lock'), 'utf8');
    for (const id of names) expect(lock).toContain(`    ${id}:\n`);
  });

  test('and nothing is written by the one whose turn it is not', async () => {
    using _turn = await InstallTurn.take(bundleDir);
    const { status, err } = await install('shop.gtpack');
    expect([status, err]).toEqual([1, expect.stringContaining('Try again once it is done.')]);
    expect(await readdir(bundleDir)).toEqual(['.gtpack']);
    expect(await readdir(join(bundleDir, '.gtpack'))).toEqual(['install.lock']);
  });
});

describe('an older pack with a sound signature', () => {
  test('in place of the installed one is refused at the start', async () => {
    const key = await newKey();
    await writeFile(join(dir, 'old.gtpack'), await quietPack('1.0.0', key));
    await writeFile(join(dir, 'new.gtpack'), await quietPack('1.10.0', key));
    await writeFile(
      bundleFile(),
      `env: prod\ntrust: ["blake3:${key.publicKey.fingerprint}"]\nproviders:\n  hook: { pack: ../new.gtpack }\n`,
    );
    expect(await started()).toEqual(['pack_unapproved']);
    await install('new.gtpack');
    expect(await started()).toEqual([]);
    await writeFile(await storedPack(), await readFile(join(dir, 'old.gtpack')));
    expect(await started()).toEqual(['pack_changed']);
  });

  test('is shown as older when it is installed', async () => {
    await writeFile(join(dir, 'new.gtpack'), await quietPack('1.10.0'));
    await writeFile(join(dir, 'old.gtpack'), await quietPack('1.9.0'));
    await install('new.gtpack');
    expect((await install('old.gtpack')).err).toContain(
      'in place of version 1.10.0, which is NEWER than this one',
    );
    expect((await install('new.gtpack')).err).toContain('in place of version 1.9.0\n');
  });
});

describe('a lock', () => {
  test.each<[string, (lock: string) => Promise<void>]>([
    ['that was deleted', (lock) => rm(lock)],
    ['whose entries were deleted', (lock) => writeFile(lock, 'version: 1\ntenants: {}\n')],
  ])('%s approves nothing outside of env dev', async (_title, change) => {
    const key = await newKey();
    await writeFile(join(dir, 'shop.gtpack'), await quietPack('1.0.0', key));
    await writeFile(
      bundleFile(),
      `env: prod\ntrust: ["blake3:${key.publicKey.fingerprint}"]\nproviders:\n  hook: { pack: ../shop.gtpack }\n`,
    );
    await install('shop.gtpack');
    expect(await started()).toEqual([]);
    await change(join(bundleDir, 'gtpack.lock'));
    expect(await started()).toEqual(['pack_unapproved']);
  });

  test('that is empty, or of another version, starts nothing', async () => {
    await writeFile(join(dir, 'shop.gtpack'), await quietPack('1.0.0'));
    await install('shop.gtpack');
    for (const text of ['', 'version: 2\ntenants: {}\n', '- 1\n']) {
      await writeFile(join(bundleDir, 'gtpack.lock'), text);
      expect(await started()).toEqual(['lock_invalid']);
    }
  });
});

test('a key is not written through a link that somebody laid before', async () => {
  for (const name of ['acme', 'acme.pub']) {
    await symlink(join(dir, `stolen-${name}`), join(dir, name));
    expect(await gtpack('keygen', 'acme')).toMatchObject({
      status: 1,
      err: expect.stringContaining('a key is never overwritten'),
    });
    await rm(join(dir, name));
  }
  expect((await readdir(dir)).filter((name) => name.includes('acme'))).toEqual([]);
});
