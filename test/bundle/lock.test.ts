import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Bundle } from '../../host/bundle/bundle.ts';
import { loadBundle } from '../../host/bundle/load.ts';
import type { LoadedPack } from '../../host/bundle/loaded-pack.ts';
import { approvePacks, comparePacks } from '../../host/bundle/lock.ts';
import { formatLock, readLock, writeLock } from '../../host/bundle/lock-file.ts';

const [A, B, C] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)] as const;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-lock-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function bundle(yaml = 'providers: { hook: { pack: p }, clock: { pack: p } }'): Promise<Bundle> {
  await writeFile(join(dir, 'p'), '');
  await writeFile(join(dir, 'bundle.yaml'), yaml);
  return loadBundle(dir);
}

const pack = (provider: string, digest: string, tenant = 'default'): LoadedPack => ({
  tenant,
  provider,
  digest,
  signer: null,
});
const signedBy = (signer: string, loaded: LoadedPack): LoadedPack => ({ ...loaded, signer });
const lockText = () => readFile(join(dir, 'gtpack.lock'), 'utf8');

describe('the first start', () => {
  test('pins each digest with no grants, in sorted order, and warns', async () => {
    const warnings = await approvePacks(await bundle(), [pack('hook', A), pack('clock', B)]);
    expect(warnings).toEqual([
      'No signature was checked for default/hook, default/clock: the bundle trusts nobody by name, and env "dev" starts packs like that.',
      'gtpack.lock pins default/hook, default/clock from now on, with no grants.',
    ]);
    expect(
      await lockText(),
    ).toBe(`# Written by gtpack: the packs that this bundle was started with, and what each was granted.
# Keep it under version control. A pack that changed is refused; "gtpack install FILE" shows what changed and approves it.
version: 1
tenants:
  default:
    clock:
      digest: blake3:${B}
      grants: []
    hook:
      digest: blake3:${A}
      grants: []
`);
  });

  test('leaves nothing behind but the lock', async () => {
    await approvePacks(await bundle(), [pack('hook', A)]);
    expect((await readdir(dir)).sort()).toEqual(['bundle.yaml', 'gtpack.lock', 'p']);
  });

  test('in any env but dev is refused, for every pack, and pins nothing', async () => {
    const prod = await bundle('env: prod\nproviders:\n  hook: { pack: p }\n  clock: { pack: p }');
    const error: unknown = await approvePacks(prod, [pack('hook', A), pack('clock', B)]).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code: 'pack_unsigned' });
    const refused = (provider: string, line: number) => [
      `${dir}/bundle.yaml:${line}: The pack ${dir}/p of the provider "${provider}" of the tenant "default" is not signed, and env "prod" starts packs of trusted signers only. Get a signed pack from its publisher, or exempt the provider: allow_unsigned: true`,
      `${dir}/bundle.yaml:${line}: The pack ${dir}/p of the provider "${provider}" of the tenant "default" is not in gtpack.lock, and env "prod" starts approved packs only. To see what it asks for and approve it: gtpack install ${dir}/p --tenant default --provider ${provider}`,
    ];
    expect(String((error as Error).message).split('\n')).toEqual([
      ...refused('hook', 3),
      ...refused('clock', 4),
    ]);
    await expect(lockText()).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('of a bundle without packs writes no lock and warns of nothing', async () => {
    expect(await approvePacks(await bundle(), [])).toEqual([]);
    expect(await readdir(dir)).not.toContain('gtpack.lock');
  });
});

describe('a later start', () => {
  beforeEach(async () => {
    await approvePacks(await bundle(), [pack('hook', A), pack('clock', B)]);
  });

  test('with the same packs changes nothing and warns only of signatures', async () => {
    const before = await lockText();
    const warnings = await approvePacks(await bundle(), [pack('hook', A), pack('clock', B)]);
    expect(warnings).toHaveLength(1);
    expect(await lockText()).toBe(before);
  });

  test('with a changed pack is refused, with both digests and the cure, and the lock stays', async () => {
    const before = await lockText();
    await expect(approvePacks(await bundle(), [pack('hook', C), pack('clock', B)])).rejects.toThrow(
      `${dir}/bundle.yaml:1: The pack ${dir}/p of the provider "hook" of the tenant "default" is not the one that gtpack.lock approved: blake3:aaaaaaaaaaaa… was expected; blake3:cccccccccccc… came. To see what changed and approve it: gtpack install ${dir}/p --tenant default --provider hook`,
    );
    await expect(approvePacks(await bundle(), [pack('hook', C)])).rejects.toMatchObject({
      code: 'pack_changed',
    });
    expect(await lockText()).toBe(before);
  });

  test('with a changed pack and a new one pins neither', async () => {
    const more = await bundle('providers: { hook: { pack: p }, mail: { pack: p } }');
    await expect(approvePacks(more, [pack('mail', C), pack('hook', C)])).rejects.toMatchObject({
      code: 'pack_changed',
    });
    expect(await lockText()).not.toContain('mail');
  });

  test('after the entry was deleted approves the pack that is there', async () => {
    const text = await lockText();
    await writeFile(join(dir, 'gtpack.lock'), text.replace(/ {4}hook:\n.*\n.*\n/, ''));
    await approvePacks(await bundle(), [pack('hook', C), pack('clock', B)]);
    expect((await readLock(dir)).pins.get('default')?.get('hook')).toEqual({
      digest: C,
      publisher: null,
      grants: [],
    });
  });

  test('drops the pins of providers that are gone with the next write, and no sooner', async () => {
    await approvePacks(await bundle('providers: { hook: { pack: p } }'), [pack('hook', A)]);
    expect(await lockText()).toContain('clock');
    const more = await bundle('providers: { hook: { pack: p }, mail: { pack: p } }');
    await approvePacks(more, [pack('hook', A), pack('mail', C)]);
    expect([...((await readLock(dir)).pins.get('default')?.keys() ?? [])]).toEqual(['hook', 'mail']);
  });

  test('keeps the pin of a provider that is disabled', async () => {
    const disabled = await bundle('providers: { hook: { pack: p, enabled: false }, mail: { pack: p } }');
    await approvePacks(disabled, [pack('mail', C)]);
    expect((await readLock(dir)).pins.get('default')?.get('hook')?.digest).toBe(A);
  });

  test('of three megabytes is read: the pins of a fleet take so much', async () => {
    await writeFile(join(dir, 'gtpack.lock'), `# ${'x'.repeat(3_000_000)}\n${await lockText()}`);
    expect((await readLock(dir)).pins.get('default')?.get('hook')?.digest).toBe(A);
  });

  test('knows one tenant from another with the same provider', async () => {
    const two = await bundle(
      'providers: { hook: { pack: p } }\ntenants: { acme: { providers: { hook: { pack: p } } } }',
    );
    await approvePacks(two, [pack('hook', A), pack('hook', C, 'acme')]);
    const { pins } = await readLock(dir);
    expect([pins.get('default')?.get('hook')?.digest, pins.get('acme')?.get('hook')?.digest]).toEqual([A, C]);
  });
});

describe('who signed a pack', () => {
  const trusting = (more = '') =>
    bundle(
      `${more}trust: ["blake3:${A}"]\nproviders: { hook: { pack: p }, own: { pack: p, allow_unsigned: true } }`,
    );

  test('decides whether it starts: by a trusted key, it does', async () => {
    expect(await approvePacks(await trusting(), [signedBy(A, pack('hook', B))])).toEqual([
      'gtpack.lock pins default/hook from now on, with no grants.',
    ]);
    expect((await readLock(dir)).pins.get('default')?.get('hook')).toEqual({
      digest: B,
      publisher: A,
      grants: [],
    });
  });

  test('another key than those that are trusted is refused with its fingerprint, also in env dev', async () => {
    await expect(approvePacks(await trusting(), [signedBy(C, pack('hook', B))])).rejects.toThrow(
      `is signed by blake3:${C}, and the bundle trusts others. To trust this signer, add the fingerprint to the bundle: trust: ["blake3:${C}"]`,
    );
    await expect(approvePacks(await trusting(), [pack('hook', B)])).rejects.toMatchObject({
      code: 'pack_unsigned',
    });
  });

  test('allow_unsigned exempts one provider, with a warning at every start', async () => {
    const warning = 'No trusted key signed default/own; the bundle exempts them with allow_unsigned.';
    const packs = [pack('own', B)];
    expect(await approvePacks(await trusting(), packs)).toContain(warning);
    expect(await approvePacks(await trusting(), packs)).toEqual([warning]);
    expect(await comparePacks(await trusting(), packs)).toEqual([warning]);
  });

  test('an empty trust trusts nobody', async () => {
    const nobody = await bundle('trust: []\nproviders: { hook: { pack: p } }');
    await expect(approvePacks(nobody, [signedBy(A, pack('hook', B))])).rejects.toMatchObject({
      code: 'pack_untrusted',
    });
  });

  test('in another env than dev does not replace the approval', async () => {
    await expect(
      approvePacks(await trusting('env: prod\n'), [signedBy(A, pack('hook', B))]),
    ).rejects.toMatchObject({
      code: 'pack_unapproved',
    });
  });

  test('a changed signer is told where a changed pack is refused', async () => {
    await approvePacks(await bundle(), [signedBy(A, pack('hook', A))]);
    await expect(approvePacks(await bundle(), [pack('hook', B)])).rejects.toThrow(
      'came, and another key signed it, or none.',
    );
  });
});

test('in another env than dev, a grant that the lock does not approve is refused, and one that it does is not', async () => {
  const granting = await bundle(
    `env: prod\ntrust: ["blake3:${A}"]\nproviders: { hook: { pack: p, grants: { http: { hosts: [a.example] }, state: {} } } }`,
  );
  const approve = (grants: readonly ('http' | 'state')[]) =>
    writeLock({
      path: join(dir, 'gtpack.lock'),
      pins: new Map([['default', new Map([['hook', { digest: B, publisher: A, grants }]])]]),
    });
  const packs = [signedBy(A, pack('hook', B))];
  await approve(['http']);
  await expect(approvePacks(granting, packs)).rejects.toThrow(
    'The bundle grants state to the provider "hook" of the tenant "default", which gtpack.lock does not approve.',
  );
  await approve(['http', 'state']);
  expect(await approvePacks(granting, packs)).toEqual([]);
});

describe('a lock', () => {
  test.each(['version: 1\ntenants:\n', 'version: 1\ntenants:\n  default:\n', 'version: 1\ntenants: {}\n'])(
    'whose last entry was deleted approves anew: %j',
    async (text) => {
      await writeFile(join(dir, 'gtpack.lock'), text);
      await approvePacks(await bundle(), [pack('hook', B)]);
      expect((await readLock(dir)).pins.get('default')?.get('hook')?.digest).toBe(B);
    },
  );

  const valid = formatLock(
    new Map([['default', new Map([['hook', { digest: A, publisher: null, grants: [] }]])]]),
  );

  test.each<[string, string, string]>([
    ['that is empty', '', 'a mapping was expected; null came.'],
    ['that is no YAML', 'version: [', 'gtpack.lock:1:'],
    [
      'of another version',
      valid.replace('version: 1', 'version: 2'),
      'version: a whole number from 1 to 1 was expected; 2 came.',
    ],
    ['with a short digest', valid.replace(A, 'abc'), 'digest: "blake3:" and 64 hex digits was expected'],
    [
      'with another algorithm',
      valid.replace('blake3', 'sha256'),
      'digest: "blake3:" and 64 hex digits was expected',
    ],
    [
      'without a digest',
      valid.replace(/.*digest.*\n/, ''),
      'digest: "blake3:" and 64 hex digits was expected; nothing came.',
    ],
    [
      'with a grant that there is not',
      valid.replace('[]', '[everything]'),
      'the name of a capability was expected; "everything" came.',
    ],
    [
      'with a publisher that is no fingerprint',
      valid.replace('grants:', 'publisher: x\n      grants:'),
      'publisher: "blake3:" and 64 hex digits was expected; "x" came.',
    ],
    [
      'with a key of later versions',
      valid.replace('grants:', 'expires: x\n      grants:'),
      'Unknown key "expires".',
    ],
  ])('%s is refused with its place and the cure', async (_, text, message) => {
    await writeFile(join(dir, 'gtpack.lock'), text);
    const error: unknown = await readLock(dir).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'lock_invalid' });
    expect(String(error)).toContain(message);
    expect(String(error)).toMatch(/delete it and start again to approve every pack anew\.$/);
  });

  test('reads back what was written, whatever the names look like to YAML', async () => {
    const names = ['1', '007', 'true', 'null', 'no', '0x1', '1e3', '2020-01-01', 'a', '10', '2'];
    const pins = new Map(
      names.map((name) => [name, new Map([[name, { digest: A, publisher: null, grants: [] }]])]),
    );
    await writeLock({ path: join(dir, 'gtpack.lock'), pins });
    const read = await readLock(dir);
    expect(read.pins).toEqual(pins);
    expect(formatLock(read.pins)).toBe(await lockText());
  });

  test('that cannot be written is named, with the cure, and leaves no half of itself', async () => {
    await mkdir(join(dir, 'gtpack.lock', 'full'), { recursive: true });
    const lock = { path: join(dir, 'gtpack.lock'), pins: new Map() };
    await expect(writeLock(lock)).rejects.toMatchObject({ code: 'lock_unwritable' });
    await expect(writeLock({ ...lock, path: join(dir, 'nowhere', 'gtpack.lock') })).rejects.toThrow(
      'Make the folder of the bundle writable',
    );
    expect(await readdir(dir)).toEqual(['gtpack.lock']);
  });

  test('too long to be read again is not written', async () => {
    const providers = new Map(
      Array.from({ length: 1000 }, (_, index) => [
        `p${index}${'x'.repeat(5000)}`,
        { digest: A, publisher: null, grants: [] },
      ]),
    );
    const lock = { path: join(dir, 'gtpack.lock'), pins: new Map([['default', providers]]) };
    await expect(writeLock(lock)).rejects.toMatchObject({ code: 'lock_unwritable' });
    expect(await readdir(dir)).toEqual([]);
  });
});
