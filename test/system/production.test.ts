import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { hostRooms } from '../../host/cli/rooms.ts';
import { readSigningKey, writeKeyPair } from '../../host/pack/key-file.ts';
import { signPack } from '../../host/pack/sign-pack.ts';
import { approveAll } from '../../scripts/approve.ts';
import { type Done, runToEnd } from '../cli/desk.ts';
import { writeBundle } from './bundle.ts';
import { packFile } from './packs.ts';

const PACKS = ['events-webhook', 'events-timer', 'events-email-sendgrid', 'events-sms-twilio'] as const;
const bundles = fileURLToPath(new URL('../../bundles', import.meta.url));
const production = join(bundles, 'production');
const environment = parseEnv(readFileSync(join(production, 'example.env'), 'utf8'));

beforeAll(async () => {
  for (const name of PACKS) await packFile(name);
}, 180_000);

/** A copy with packs signed by a new key, as `npm run build:production` leaves it. */
async function signedCopy(): Promise<string> {
  const folder = await writeBundle({ yaml: textOf('bundle.yaml'), packs: [] });
  for (const part of ['flows', 'scripts'])
    await cp(join(production, part), join(folder, part), { recursive: true });
  const key = await readSigningKey((await writeKeyPair(join(folder, 'publisher.key'))).privateFile);
  await mkdir(join(folder, 'providers', 'events'), { recursive: true });
  for (const name of PACKS) {
    const file = join(folder, 'providers', 'events', `${name}.gtpack`);
    await signPack(await packFile(name), file, { key, signedAt: '2026-01-02T03:04:05Z' });
  }
  return folder;
}

const textOf = (path: string, bundle = 'production'): string =>
  readFileSync(join(bundles, bundle, path), 'utf8');

const check = (folder: string, env: Readonly<Record<string, string>>): Promise<Done> =>
  runToEnd(['check', folder, '--json'], { cwd: folder, rooms: hostRooms, env });

describe('the bundle of a production', () => {
  test('is sound once its packs are signed and approved, and refused before, or without a secret', async () => {
    const folder = await signedCopy();
    const env = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, String(value)] as const),
    );
    const before = await check(folder, env);
    expect(JSON.parse(before.out).problems.map(({ code }: { code: string }) => code)).toEqual(
      PACKS.map(() => 'pack_unapproved'),
    );
    await approveAll(folder);
    const sound = await check(folder, env);
    const all = { ok: true, packs: 4, flows: 4, isolated: ['shop'], problems: [] };
    expect(JSON.parse(sound.out)).toMatchObject(all);
    for (const name of Object.keys(env)) {
      const { [name]: _, ...rest } = env;
      const { problems } = JSON.parse((await check(folder, rest)).out);
      expect(problems, name).toMatchObject([{ code: 'secret_unavailable' }]);
    }
  });

  test('runs the flows of the demo, which differ in whom they speak with and in nothing else', () => {
    const flows = readdirSync(join(production, 'flows'));
    expect(flows).toHaveLength(4);
    for (const name of flows) {
      const there = textOf(`flows/${name}`)
        .replaceAll('https://warehouse.example.com', 'http://127.0.0.1:8093')
        .replaceAll('https://hooks.example.com', 'http://127.0.0.1:8080')
        .replaceAll('/events-sms-twilio/shop/', '/events-sms-twilio/demo/');
      expect(there, name).toBe(textOf(`flows/${name}`, 'demo'));
    }
    expect(textOf('scripts/process_payload.js')).toBe(textOf('scripts/process_payload.js', 'demo'));
  });

  test('keeps no key and no lock of anybody in the repository', () => {
    const ignored = readFileSync(join(bundles, '..', '.gitignore'), 'utf8').split('\n');
    for (const file of ['publisher.key', 'publisher.key.pub', 'gtpack.lock'])
      expect(ignored).toContain(`bundles/production/${file}`);
  });
});
