import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'cborg';
import { expect, test } from 'vitest';
import { inspectPack } from '../../host/interop/inspect.ts';
import type { PackReport } from '../../host/interop/pack-report.ts';
import { writeArchive } from '../../host/pack/archive-writer.ts';
import { encodeSbom } from '../../host/pack/sbom.ts';
import { folderOf } from '../pack/fixture/folder.ts';
import { refusal } from '../pack/fixture/refusal.ts';
import { packOf, sampleFiles, signedSample } from '../pack/fixture/sample-pack.ts';
import { coreModule } from '../pack/fixture/wasm.ts';
import { fieldArchive, fieldComponent, symbolManifest } from './fixture/field-packs.ts';

async function inspect(bytes: Uint8Array): Promise<PackReport> {
  await using folder = await folderOf({ 'a.gtpack': bytes });
  return await inspectPack(join(folder.path, 'a.gtpack'));
}

test('a sound pack is reported whole', async () => {
  expect(await inspect(await packOf(sampleFiles()))).toEqual({
    ok: true,
    model: 'pack-v1',
    pack_id: 'acme.shop',
    version: '1.2.3',
    kind: 'provider',
    publisher: 'Acme',
    components: [
      {
        id: 'hook',
        kind: 'module',
        imports: ['gtpack:plugin/http@0.1.0#send', 'env#abort'],
        exports: ['ingest'],
        size: 99,
      },
    ],
    flows: [{ id: 'on_order', nodes: 2 }],
    requests: [
      { provider: 'hook', capability: 'http', reason: 'asks the shop for the order', optional: false },
    ],
    schemas: [],
    remarks: [],
    sbom: { present: true, ok: true, problems: [] },
    signature: { present: false, ok: false, fingerprint: null, problems: [] },
    problems: [],
  });
});

test('a signature that does not hold is reported with the reason', async () => {
  const report = await inspect(await packOf(sampleFiles().set('signatures/pack.sig', Buffer.from('{}'))));
  expect([report.ok, report.signature]).toEqual([
    true,
    {
      present: true,
      ok: false,
      fingerprint: null,
      problems: [{ code: 'signature_invalid', message: 'There is a signature, and no certificate.' }],
    },
  ]);
});

test('a signature that holds is reported with the fingerprint of its key', async () => {
  const { key, pack } = await signedSample();
  const report = await inspect(pack);
  const { fingerprint } = key.publicKey;
  expect(report.signature).toEqual({ present: true, ok: true, fingerprint, problems: [] });
});

test('a pack of another host is reported with its components and flows, and what this host leaves out', async () => {
  const files = new Map<string, Uint8Array>([
    [
      'manifest.cbor',
      encode({
        schema_version: 'pack-v1',
        pack_id: 'field.pack',
        version: '0.4.1',
        kind: 'application',
        publisher: 'Field',
        symbols: {
          component_ids: ['qa.process'],
          node_ids: ['start'],
          capability_names: [],
          pack_ids: ['field.pack'],
        },
        components: [{ id: 0, version: '0.1.0', world: 'greentic:component/node@0.4.0' }],
        flows: [
          {
            id: 'main',
            kind: 'messaging',
            flow: { id: 'main', nodes: [{ id: 0, component: 0, routing: 'End' }] },
          },
        ],
      }),
    ],
    ['components/qa.process.wasm', coreModule({ exports: ['run'] })],
  ]);
  const report = await inspect(writeArchive(files, 'x'));
  expect(report).toMatchObject({
    ok: false,
    model: 'pack-v1',
    pack_id: 'field.pack',
    components: [{ id: 'qa.process', kind: 'module', exports: ['run'] }],
    flows: [{ id: 'main', nodes: 1 }],
    sbom: { present: false, ok: false, problems: [{ code: 'sbom_missing' }] },
    problems: [],
    remarks: [
      'The provider qa-process cannot be run: The component exports no interface that this host knows how to call.',
      'The flow main is left out: Its node "start" does not say which operation of qa.process it calls.',
    ],
  });
});

test('a sound pack of another host is sound here, and one whose SBOM does not match is not', async () => {
  const manifest = symbolManifest(
    [{ id: 'shop.mailer' }],
    [{ id: 'main', nodes: { a: { component: 'shop.mailer', operation: 'send' } } }],
  );
  const files = new Map([
    ['manifest.cbor', encode(manifest)],
    ['components/shop.mailer.wasm', await fieldComponent('import secrets-store;')],
  ]);
  const secrets = 'greentic:provider-schema-core/secrets-store@1.0.0';
  expect(await inspect(await fieldArchive(files, { sbom: 'json' }))).toMatchObject({
    ok: true,
    model: 'pack-v1',
    pack_id: 'field.shop',
    version: '0.4.1',
    kind: 'application',
    publisher: 'Field',
    components: [
      {
        id: 'shop.mailer',
        kind: 'component',
        imports: [secrets],
        exports: ['greentic:provider-schema-core/schema-core-api@1.0.0'],
      },
    ],
    flows: [{ id: 'main', nodes: 1 }],
    requests: [
      { provider: 'shop-mailer', capability: 'secrets', reason: `the component imports ${secrets}` },
    ],
    remarks: [],
    sbom: { present: true, ok: true, problems: [] },
    signature: { present: false, ok: false, fingerprint: null, problems: [] },
    problems: [],
  });
  files.set('sbom.cbor', (await encodeSbom(files)).bytes);
  files.set('pack.lock.cbor', Buffer.from('later'));
  expect(await inspect(writeArchive(files, 'x'))).toMatchObject({
    ok: false,
    pack_id: 'field.shop',
    sbom: {
      present: true,
      ok: false,
      problems: [{ code: 'sbom_mismatch', message: 'The file "pack.lock.cbor" is not in the SBOM.' }],
    },
    problems: [],
  });
});

test('a faulty pack is reported with every problem', async () => {
  const files = sampleFiles();
  files.set('components/hook.wasm', coreModule({ imports: [['env', 'now']], exports: ['tick'] }));
  files.set('flows/broken.ygtc', Buffer.from('nodes: [a'));
  files.set('sbom.cbor', encode({ format: 'greentic-sbom-v1', files: [] }));
  const report = await inspect(await packOf(files));
  expect(report.ok).toBe(false);
  expect(report.problems.map(({ code }) => code)).toEqual([
    'pack_interface_mismatch',
    'pack_interface_mismatch',
    'pack_interface_mismatch',
    'pack_interface_mismatch',
    'yaml_invalid',
  ]);
  expect(report.sbom.problems.map(({ code }) => code)).toEqual(
    Array.from({ length: 5 }, () => 'sbom_mismatch'),
  );
});

test('a component that is missing or no WebAssembly is a problem of the report', async () => {
  const missing = sampleFiles();
  missing.delete('components/hook.wasm');
  const report = await inspect(await packOf(missing));
  expect(report.components).toEqual([{ id: 'hook', kind: null, imports: [], exports: [], size: null }]);
  expect(report.problems.map(({ code }) => code)).toEqual(['pack_component_missing']);

  const text = await inspect(await packOf(sampleFiles().set('components/hook.wasm', Buffer.from('text'))));
  expect(text.components).toEqual([{ id: 'hook', kind: null, imports: [], exports: [], size: 4 }]);
  expect(text.problems.map(({ code }) => code)).toEqual(['plugin_invalid']);
});

test('the older model is reported as such', async () => {
  const manifest = encode({ meta: { pack_id: 'old', version: '1.0.0' }, flows: [], components: [] });
  const report = await inspect(await packOf(new Map([['manifest.cbor', manifest]])));
  expect(report).toMatchObject({ ok: true, model: 'meta', pack_id: 'old', version: '1.0.0', problems: [] });
});

test('a manifest of no model is reported as unknown', async () => {
  const report = await inspect(await packOf(new Map([['manifest.cbor', encode({ hello: 1 })]])));
  expect(report).toMatchObject({ ok: false, model: 'unknown', pack_id: null });
  expect(report.problems[0]?.code).toBe('manifest_invalid');
});

test('where there is nothing to read it throws one sentence', async () => {
  await using folder = await folderOf({});
  const file = join(folder.path, 'a.gtpack');
  expect((await refusal(inspectPack(file))).code).toBe('file_unreadable');
  await writeFile(file, 'text');
  expect((await refusal(inspectPack(file))).code).toBe('archive_not_zip');
  await writeFile(file, (await packOf(sampleFiles())).subarray(0, 100));
  expect((await refusal(inspectPack(file))).code).toBe('archive_truncated');
  await writeFile(file, writeArchive(new Map([['a', Buffer.from('x')]]), file));
  expect((await refusal(inspectPack(file))).code).toBe('manifest_missing');
});
