import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inspectPack } from '../../host/interop/inspect.ts';
import { buildPack } from '../../host/pack/build.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { folderOf } from './fixture/folder.ts';
import { coreModule } from './fixture/wasm.ts';

const PACK = `id: acme.shop
version: 1.2.3
publisher: Acme
providers:
  - id: hook
    kind: custom
    wasm: hook.wasm
    config_schema: schemas/config.json
    operations:
      - { name: send, description: Sends it., input_schema: schemas/send.json }
      - { name: ping, description: Answers. }
`;

async function built(schemas: Record<string, string | Uint8Array>, yaml = PACK): Promise<string> {
  const folder = await folderOf({
    'pack.yaml': yaml,
    'hook.wasm': coreModule({ exports: ['invoke'] }),
    ...schemas,
  });
  const outFile = join(folder.path, 'out.gtpack');
  await buildPack(folder.path, { outFile });
  return outFile;
}

const SOUND = { 'schemas/config.json': '{"type":"object"}', 'schemas/send.json': 'true' };

test('a pack carries the schemas that its providers name, and inspecting it shows them', async () => {
  const file = await built(SOUND);
  const [provider] = (await readPack(file)).providers;
  expect(provider?.schemas).toEqual({
    config: { path: 'schemas/config.json', text: '{"type":"object"}' },
    operations: [{ name: 'send', input: { path: 'schemas/send.json', text: 'true' }, output: undefined }],
  });
  expect(await inspectPack(file)).toMatchObject({
    ok: true,
    schemas: [
      { provider: 'hook', of: 'config', path: 'schemas/config.json' },
      { provider: 'hook', of: 'send input', path: 'schemas/send.json' },
    ],
  });
});

test('a pack without schemas has none', async () => {
  const file = await built({}, PACK.replace(/ *config_schema.*\n/, '').replace(/, input_schema: [^ ]*/, ''));
  const [provider] = (await readPack(file)).providers;
  expect(provider?.schemas).toBeUndefined();
});

test.each([
  ['that is not there', { 'schemas/send.json': 'true' }, /"schemas\/config.json" is not in the archive/],
  ['that is no JSON', { ...SOUND, 'schemas/config.json': '{' }, /config.json: The schema is not JSON/],
  ['that is a list', { ...SOUND, 'schemas/config.json': '[]' }, /a JSON object, true or false/],
  ['that is not UTF-8', { ...SOUND, 'schemas/config.json': Uint8Array.of(0xff) }, /not UTF-8/],
  ['of 70 KiB', { ...SOUND, 'schemas/config.json': `"${'x'.repeat(70 * 1024)}"` }, /at most 65536/],
  [
    'that nests 33 deep',
    { ...SOUND, 'schemas/config.json': `${'{"not":'.repeat(33)}true${'}'.repeat(33)}` },
    /more than 32 deep/,
  ],
])('a pack with a schema %s is not built', async (_title, schemas, message) => {
  await expect(built(schemas)).rejects.toMatchObject({
    code: 'pack_schema_invalid',
    message: expect.stringMatching(message),
  });
});

test('a schema lies in the folder for schemas, and nowhere else', async () => {
  for (const path of ['config.json', '../schemas/x.json', 'schemas/../x.json', 'schemas/x.txt']) {
    await expect(built(SOUND, PACK.replace('schemas/config.json', path))).rejects.toMatchObject({
      code: 'pack_yaml_invalid',
      message: expect.stringMatching(/Expected schemas\/NAME.json/),
    });
  }
});
