import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPack } from '../../host/pack/build.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Never part of the repository, and gone with the next `npm ci`. */
const cacheFolder = join(root, 'node_modules', '.cache', 'gtpack-test-packs');

/** Folders that packs are built from. */
const SOURCES = {
  'events-webhook': 'packs/events-webhook',
  'events-timer': 'packs/events-timer',
  'events-email-sendgrid': 'packs/events-email-sendgrid',
  'events-sms-twilio': 'packs/events-sms-twilio',
  'webhook-publisher': 'packs/webhook-publisher',
  'echo-as': 'test/guests/echo-as',
  'echo-ts': 'test/guests/echo-ts',
  'calling-as': 'test/guests/calling-as',
  'calling-ts': 'test/guests/calling-ts',
  misbehaving: 'test/guests/misbehaving',
  outbound: 'test/guests/outbound',
  leaking: 'test/guests/leaking',
  notifying: 'test/guests/notifying',
  keeping: 'test/guests/keeping',
  'vendors-as': 'test/guests/vendors-as',
  'keeping-ts': 'test/guests/keeping-ts',
} as const;

export type PackName = keyof typeof SOURCES;

/** The guest that misbehaves is no pack of its own accord. */
const MISBEHAVING_YAML = `id: gtpack.test.misbehaving
version: 0.1.0
publisher: gtpack
providers:
  - id: misbehaving
    kind: webhook
    language: assemblyscript
    source: assembly/index.ts
    exports: [ingest, invoke]
    operations:
      - { name: echo, description: Returns its input. }
`;

/** Path of the pack, built from the repository's sources unless the same sources were built before. */
export async function packFile(name: PackName): Promise<string> {
  const source = join(root, SOURCES[name]);
  const file = join(cacheFolder, `${name}-${contentKey(source)}.gtpack`);
  if (existsSync(file)) return file;
  await mkdir(cacheFolder, { recursive: true });
  // Under a name of its own first: another test file may be building the same pack.
  const own = join(cacheFolder, `${randomUUID()}.gtpack`);
  const folder = await mkdtemp(join(tmpdir(), 'gtpack-source-'));
  try {
    await cp(source, folder, { recursive: true });
    if (name === 'misbehaving') await writeFile(join(folder, 'pack.yaml'), MISBEHAVING_YAML);
    await buildPack(folder, { outFile: own });
    await rename(own, file);
    // Those of older sources.
    for (const other of readdirSync(cacheFolder)) {
      const path = join(cacheFolder, other);
      if (other.startsWith(`${name}-`) && path !== file) await rm(path, { force: true });
    }
  } finally {
    await rm(own, { force: true });
    await rm(folder, { recursive: true });
  }
  return file;
}

/** Of all that goes into a pack: its source, the SDK, and the builder with its compilers. */
function contentKey(source: string): string {
  const hash = createHash('sha256');
  for (const folder of [source, join(root, 'sdk'), join(root, 'host', 'pack')]) {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      hash.update(`${path}\n`).update(readFileSync(path));
    }
  }
  hash.update(readFileSync(join(root, 'package.json'))).update(MISBEHAVING_YAML);
  return hash.digest('hex').slice(0, 32);
}
