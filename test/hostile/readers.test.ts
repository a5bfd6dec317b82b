import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { readLock } from '../../host/bundle/lock-file.ts';
import { parseGrantOptions } from '../../host/deploy/install/written-grant.ts';
import { GtpackError } from '../../host/errors.ts';
import { loadFlow } from '../../host/flow/load.ts';
import { openAnyPack } from '../../host/interop/any-pack.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { readArchive } from '../../host/pack/archive-reader.ts';
import { writeArchive } from '../../host/pack/archive-writer.ts';
import { encodeSbom } from '../../host/pack/sbom.ts';
import { generateKeyPair, parsePublicKey, parseSigningKey } from '../../host/pack/signing-key.ts';
import { readYaml } from '../../host/yaml.ts';
import { dangerousNames } from '../pack/fixture/dangerous-names.ts';
import { lyingArchives } from '../pack/fixture/lying-archives.ts';
import { malformedArchives } from '../pack/fixture/malformed-archives.ts';
import { refusal } from '../pack/fixture/refusal.ts';
import { packOf, sampleFiles, signedSample } from '../pack/fixture/sample-pack.ts';
import { type RawEntry, rawZip } from '../pack/fixture/zip.ts';
import { mutated, mutations } from './mutation.ts';

/**
 * Every door by which bytes of a stranger enter, under mutated and made-up input: what comes in is read, or refused by a
 * coded error, within the caps.
 */

/** What a refusal may weigh: it goes to terminals and logs. */
const MAX_MESSAGE_CHARACTERS = 64 * 1024;
const MAX_PROBLEMS = 101;

async function readOrRefused<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    expect(error.message.length).toBeLessThan(MAX_MESSAGE_CHARACTERS);
    expect(error.problems.length).toBeLessThanOrEqual(MAX_PROBLEMS);
    return undefined;
  }
}

function runs(numRuns: number): fc.Parameters<unknown> {
  // Beyond this, a machine under load ends the search early rather than the test late.
  return { numRuns, interruptAfterTimeLimit: 800, markInterruptAsFailure: false };
}

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'readers-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const signed = await signedSample();
const small = [...malformedArchives(), ...lyingArchives(), ...dangerousNames()]
  .map(({ bytes }) => bytes)
  .filter(({ length }) => length < 20_000);

/** Reads an archive, and counts what came out of it. */
async function countedArchive(bytes: Uint8Array): Promise<void> {
  const archive = await readOrRefused(() => readArchive(bytes, 'x', LIMITS));
  if (archive === undefined) return;
  const sizes = [...archive.entries.values()].map(({ length }) => length);
  expect(sizes.length).toBeLessThanOrEqual(LIMITS.maxEntries);
  expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(LIMITS.maxEntryBytes);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(LIMITS.maxArchiveBytes);
}

/** So narrow that mutations reach them. */
const LIMITS = { ...DEFAULT_LIMITS, maxArchiveBytes: 100_000, maxEntryBytes: 30_000, maxEntries: 40 };

describe('archives', () => {
  test('that were sound, or malformed, and changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(signed.pack, ...small),
        fc.constantFrom(...small),
        mutations,
        (bytes, donor, changes) => countedArchive(mutated(bytes, changes, donor)),
      ),
      runs(2500),
    );
  });

  const u32 = fc.oneof(
    fc.nat({ max: 200 }),
    fc.constantFrom(0xffff_ffff, 0x7fff_ffff, 0xffff_fffe),
    fc.nat(),
  );
  const u16 = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 0xffff }));
  const entry = fc.record(
    {
      name: fc.oneof(
        fc.constantFrom('a', 'a/b', 'A', 'a/', '../a', '\u0130', 'con'),
        fc.string({ maxLength: 12 }),
      ),
      content: fc.oneof(fc.string({ maxLength: 40 }), fc.constant('z'.repeat(70_000))),
      deflate: fc.boolean(),
      method: fc.constantFrom(0, 8, 9, 12, 99),
      flags: fc.oneof(fc.constantFrom(0, 0x0800, 0x0808, 0x0801), u16),
      size: u32,
      packedSize: u32,
      offset: u32,
      attributes: fc.nat(),
      madeBy: u16,
      descriptor: fc.boolean(),
      centralOnly: fc.boolean(),
      extra: fc.uint8Array({ maxLength: 30 }),
      gap: fc.uint8Array({ maxLength: 4 }),
    },
    { requiredKeys: ['name', 'content'] },
  );

  test('that are made up, field by field', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 5 }),
        fc.record(
          { count: u16, directorySize: u32, directoryOffset: u32, comment: fc.string({ maxLength: 5 }) },
          { requiredKeys: [] },
        ),
        (entries, end) => countedArchive(rawZip(entries as RawEntry[], end)),
      ),
      runs(1500),
    );
  });
});

describe('files of a pack, under an archive and an SBOM that are sound', () => {
  const sample = sampleFiles();

  test.each(['manifest.cbor', 'components/hook.wasm', 'flows/on_order.ygtc', 'scripts/shop.js'])(
    '%s',
    async (path) => {
      await fc.assert(
        fc.asyncProperty(mutations, async (changes) => {
          const files = new Map(sample);
          files.set(
            path,
            mutated(sample.get(path) ?? new Uint8Array(), changes, sample.get('components/hook.wasm')),
          );
          const bytes = await packOf(files);
          await readOrRefused(() => openAnyPack(bytes, 'x'));
        }),
        runs(400),
      );
    },
  );

  test.each(['sbom.cbor', 'sbom.json', 'signatures/pack.sig', 'signatures/chain.pem'])(
    '%s, which says who made it: nothing but the sound one names a signer',
    async (path) => {
      const files = new Map(signed.files);
      if (path === 'sbom.json') {
        const { sbom } = await encodeSbom(sample);
        files.delete('sbom.cbor');
        files.set('sbom.json', Buffer.from(JSON.stringify(sbom)));
      }
      const sound = files.get(path) ?? new Uint8Array();
      await fc.assert(
        fc.asyncProperty(mutations, async (changes) => {
          const bytes = mutated(sound, changes);
          const archive = writeArchive(new Map(files).set(path, bytes), 'x');
          const pack = await readOrRefused(() => openAnyPack(archive, 'x'));
          if (pack !== undefined) expect(pack.signer).toBe(signed.key.publicKey.fingerprint);
        }),
        runs(500),
      );
    },
  );
});

async function refusedFlow(text: string): Promise<GtpackError> {
  return refusal(loadFlow({ text, file: 'x.ygtc', scripts: {} }));
}

function textsOf(folder: string, ending: string): Buffer[] {
  const root = new URL(folder, import.meta.url);
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(new URL(name, root)))
    .filter(({ length }) => length < 8000);
}

const flows = [...textsOf('../golden/flow/', '.ygtc'), ...textsOf('../../bundles/demo/flows/', '.ygtc')];
const bundles = [...textsOf('../golden/bundle/', '.yaml'), ...textsOf('../../bundles/', 'bundle.yaml')];
const locks = [
  `version: 1\ntenants:\n  demo:\n    hook:\n      digest: blake3:${'a'.repeat(64)}\n      publisher: blake3:${'b'.repeat(64)}\n      grants:\n        - http\n        - state\n  acme: {}\n`,
].map((text) => Buffer.from(text));

describe('texts that people write', () => {
  test('flows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...flows),
        fc.constantFrom(...flows),
        mutations,
        async (flow, donor, changes) => {
          const text = mutated(flow, changes, donor).toString();
          await readOrRefused(() => loadFlow({ text, file: 'x.ygtc', scripts: {} }));
        },
      ),
      runs(500),
    );
  });

  test('bundles', async () => {
    const file = join(dir, 'bundle.yaml');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...bundles),
        fc.constantFrom(...bundles),
        mutations,
        async (bundle, donor, changes) => {
          await writeFile(file, mutated(bundle, changes, donor));
          await readOrRefused(() => loadBundle(file, {}));
        },
      ),
      runs(300),
    );
  });

  test('locks', async () => {
    const donor = bundles[0] ?? Buffer.alloc(0);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...locks), mutations, async (lock, changes) => {
        await writeFile(join(dir, 'gtpack.lock'), mutated(lock, changes, donor));
        const read = await readOrRefused(() => readLock(dir));
        for (const pins of read?.pins.values() ?? []) {
          for (const { digest } of pins.values()) expect(digest).toMatch(/^[0-9a-f]{64}$/);
        }
      }),
      runs(700),
    );
  });

  test('keys', async () => {
    const pair = generateKeyPair();
    const chain = signed.files.get('signatures/chain.pem') ?? new Uint8Array();
    const texts = [pair.privateKey, pair.publicKey]
      .map((text) => Buffer.from(text))
      .concat(Buffer.from(chain));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...texts),
        fc.constantFrom(...texts),
        mutations,
        async (key, donor, changes) => {
          const text = mutated(key, changes, donor).toString('latin1');
          await readOrRefused(() => parsePublicKey(text, 'x'));
          await readOrRefused(() => parseSigningKey(text, 'x'));
        },
      ),
      runs(700),
    );
  });

  test.each<[string, string]>([
    ['lists in lists', '['.repeat(20_000)],
    ['maps in maps', '{'.repeat(20_000)],
    ['lists by dashes', '- '.repeat(10_000)],
    ['keys of keys', '? '.repeat(10_000)],
    ['lists that are closed', `${'['.repeat(5000)}${']'.repeat(5000)}`],
    [
      'lines, each one deeper',
      Array.from({ length: 600 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    ],
  ])('that nest %s are refused by their depth, before anything walks them', (_title, text) => {
    expect(() => readYaml(text, 'x')).toThrow('The file nests its values deeper than 200 levels.');
  });

  test('with keys or faults by the ten thousand cost no more than reading them, and tell of a hundred', async () => {
    // Compared with each other, 30,000 keys take minutes.
    const keys = Array.from({ length: 30_000 }, (_, index) => `k${index}: 1`);
    expect(Object.keys(readYaml(keys.join('\n'), 'x', 1_000_000).value as object)).toHaveLength(30_000);
    const flow = refusedFlow(keys.slice(0, 20_000).join('\n'));
    expect((await flow).problems).toHaveLength(100);
    const twice = refusedFlow('a: 1\n'.repeat(20_000));
    expect((await twice).problems.at(-1)?.message).toBe('There are 19899 problems more.');
  });

  test('grants on the command line', async () => {
    const words = [
      'http=',
      'a.example',
      'http={ hosts: [a.example] }',
      'bus=a.>',
      'state',
      'secrets=A,B',
      'timers=[',
      '{',
      '&a',
      '*a',
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 20 })), { maxLength: 4 }),
        async (options) => void (await readOrRefused(() => parseGrantOptions(options))),
      ),
      runs(1000),
    );
  });
});
