import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'cborg';
import { expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { checkBundle } from '../../host/deploy/check.ts';
import { deploy } from '../../host/deploy/deployment.ts';
import {
  type FieldFlowSpec,
  fieldArchive,
  fieldComponent,
  symbolManifest,
} from '../interop/fixture/field-packs.ts';
import { folderOf } from '../pack/fixture/folder.ts';

const wasm = await fieldComponent();

const flows: readonly FieldFlowSpec[] = [
  { id: 'mailing', nodes: { a: { component: 'mailer', operation: 'send' } } },
  { id: 'asking', nodes: { a: { component: 'asker', operation: 'ask' } } },
  { id: 'waiting', nodes: { a: { component: 'session.wait' } } },
];

async function bundleOf(providers: string) {
  const manifest = symbolManifest([{ id: 'mailer' }, { id: 'asker' }], flows);
  const pack = await fieldArchive(
    new Map([
      ['manifest.cbor', encode(manifest)],
      ['components/mailer.wasm', wasm],
      ['components/asker.wasm', wasm],
    ]),
  );
  return folderOf({ 'bundle.yaml': `providers:\n${providers}`, 'shop.gtpack': pack });
}

const WAITING =
  'shop.gtpack: The flow waiting is left out: Its node "a" calls session.wait, which is no component of the pack.';

test('a pack of another host runs in a bundle, each of its components under its id, its flows once', async () => {
  await using folder = await bundleOf('  mailer: { pack: shop.gtpack }\n  asker: { pack: shop.gtpack }\n');
  const bundle = await loadBundle(folder.path);
  const checked = await checkBundle(bundle);
  expect(checked).toMatchObject({ problems: [], packs: 1, flows: 2 });
  const leftOut = checked.warnings.filter((warning) => warning.includes('left out'));
  expect(leftOut.map((warning) => warning.replaceAll(`${folder.path}/`, ''))).toEqual([WAITING]);
});

test('a flow of such a pack whose provider the bundle does not name is left out, and said so', async () => {
  await using folder = await bundleOf('  mailer: { pack: shop.gtpack }\n');
  const { tenants, leftOut } = await deploy(await loadBundle(folder.path), 'compare');
  expect(tenants.map((tenant) => tenant.flows.map(({ name }) => name))).toEqual([['field-shop_mailing']]);
  expect(leftOut.map((text) => text.replaceAll(`${folder.path}/`, ''))).toEqual([
    WAITING,
    'shop.gtpack (manifest.cbor, flow asking) is left out: nodes[0].config.provider: The tenant has no provider "asker". Known here: mailer.',
  ]);
});

test('a flow of such a pack calls the provider of its own pack, whatever the bundle calls it', async () => {
  await using folder = await bundleOf('  asker: { pack: other.gtpack }\n  post: { pack: one.gtpack }\n');
  for (const [name, id] of [
    ['other', 'asker'],
    ['one', 'mailer'],
  ] as const) {
    const manifest = symbolManifest([{ id }], flows, { pack_id: name });
    const pack = await fieldArchive(
      new Map([
        ['manifest.cbor', encode(manifest)],
        [`components/${id}.wasm`, wasm],
      ]),
    );
    await writeFile(join(folder.path, `${name}.gtpack`), pack);
  }
  const { tenants } = await deploy(await loadBundle(folder.path), 'compare');
  const called = tenants[0]?.flows.map(({ name, nodes }) => [name, nodes[0]?.config]);
  expect(called).toEqual([
    ['other_asking', { provider: 'asker', action: 'ask', fields: {} }],
    ['one_mailing', { provider: 'post', action: 'send', fields: {} }],
  ]);
});

test('a flow of such a pack does not call a provider of another pack that has the same id', async () => {
  await using folder = await bundleOf('  mailer: { pack: shop.gtpack }\n  asker: { pack: other.gtpack }\n');
  const pack = await fieldArchive(
    new Map([
      ['manifest.cbor', encode(symbolManifest([{ id: 'asker' }], [], { pack_id: 'other' }))],
      ['components/asker.wasm', wasm],
    ]),
  );
  await writeFile(join(folder.path, 'other.gtpack'), pack);
  const { tenants } = await deploy(await loadBundle(folder.path), 'compare');
  expect(tenants[0]?.flows.map(({ name }) => name)).toEqual(['field-shop_mailing']);
});

test('a component of such a pack that nothing here can run is refused when a bundle names it', async () => {
  await using folder = await bundleOf('  mailer: { pack: other.gtpack }\n');
  const manifest = symbolManifest([{ id: 'mailer' }]);
  const pack = await fieldArchive(
    new Map([
      ['manifest.cbor', encode(manifest)],
      ['components/mailer.wasm', await fieldComponent('import of-nobody;')],
    ]),
  );
  await writeFile(join(folder.path, 'other.gtpack'), pack);
  const { problems } = await checkBundle(await loadBundle(folder.path));
  expect(problems.map(({ code }) => code)).toEqual(['guest_import_refused']);
});
