import { encode } from 'cborg';
import { describe, expect, test } from 'vitest';
import { loadFlow } from '../../host/flow/load.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { openAnyPack } from '../../host/interop/any-pack.ts';
import { TokenSet } from '../../host/interop/token-set.ts';
import { encodeCbor } from '../../host/pack/cbor.ts';
import type { Pack } from '../../host/pack/pack.ts';
import { refusal } from '../pack/fixture/refusal.ts';
import { packOf, sampleFiles, signedSample } from '../pack/fixture/sample-pack.ts';
import {
  type ArchiveShape,
  type Files,
  fieldArchive,
  fieldComponent,
  indefiniteCbor,
  metaFiles,
  symbolManifest,
} from './fixture/field-packs.ts';

const wasm = await fieldComponent();

function filesOf(manifest: unknown, more: Record<string, Uint8Array> = {}): Files {
  return new Map([['manifest.cbor', encode(manifest)], ...Object.entries(more)]);
}

async function open(files: Files, shape?: ArchiveShape): Promise<Pack> {
  return openAnyPack(await fieldArchive(files, shape), 'field.gtpack');
}

const MAILER = { 'components/shop.mailer.wasm': wasm };

function shop(more: object = {}): Record<string, unknown> {
  return symbolManifest(
    [{ id: 'shop.mailer' }],
    [
      {
        id: 'main',
        nodes: { greet: { component: 'shop.mailer', operation: 'send', mapping: { to: 'Ann' } } },
      },
    ],
    more,
  );
}

describe('a pack of another host', () => {
  test('becomes a pack like ours: its components are providers, its flows are flows', async () => {
    const pack = await open(filesOf(shop(), MAILER));
    expect(pack).toMatchObject({
      id: 'field.shop',
      version: '0.4.1',
      publisher: 'Field',
      signer: null,
      providers: [
        {
          id: 'shop-mailer',
          kind: 'custom',
          model: 'field',
          component: 'components/shop.mailer.wasm',
          exports: ['invoke'],
          requests: [],
        },
      ],
      flows: [{ path: 'manifest.cbor, flow main', isConverted: true }],
      remarks: [],
    });
    const providers = new Map([['shop-mailer', { invokes: true, operations: null }]]);
    const source = { text: pack.flows[0]?.source ?? '', file: 'x', scripts: {} };
    expect(await loadFlow(source, { grants: NO_GRANTS, grantee: 'x', providers })).toMatchObject({
      name: 'field-shop_main',
      version: '0.4.1',
      nodes: [
        {
          id: 'greet',
          type: 'event',
          config: { provider: 'shop-mailer', action: 'send', fields: { to: 'Ann' } },
        },
      ],
      triggers: [
        { type: 'event', pattern: 'flow.field-shop.main', target: 'greet' },
        { type: 'call', target: 'greet' },
      ],
    });
  });

  const shapes: readonly [string, unknown, ArchiveShape][] = [
    ['an SBOM in JSON', encode(shop()), { sbom: 'json' }],
    ['deflated entries', encode(shop()), { deflate: true }],
    ['arrays and maps without a length', indefiniteCbor(shop()), {}],
    ['an id in place of its index', encode(shop({ pack_id: 'field.shop' })), {}],
    ['keys that nobody knows', encode(shop({ agents: { a: [1, 2.5, null] }, name: 'Shop' })), {}],
  ];
  test.each(shapes)('is read with %s', async (_, manifest, shape) => {
    const pack = await open(
      new Map([['manifest.cbor', manifest as Uint8Array], ...Object.entries(MAILER)]),
      shape,
    );
    expect([pack.id, pack.providers.length, pack.flows.length]).toEqual(['field.shop', 1, 1]);
  });

  test('is read without symbol tables, with nodes by their ids and routing in lower case', async () => {
    const manifest = {
      schema_version: 'pack-v1',
      pack_id: 'field.shop',
      version: '1.0.0',
      publisher: 'Field',
      components: [{ id: 'shop.mailer', version: '0.1.0' }],
      flows: [
        {
          id: 'main',
          flow: {
            entrypoints: { default: 'a' },
            nodes: {
              a: { component: { id: 'shop.mailer', operation: 'x' }, routing: { next: { node_id: 'b' } } },
              b: {
                id: 'b',
                component: 'shop.mailer',
                in_map: { mapping: { operation: 'y' } },
                routing: 'end',
              },
            },
          },
        },
      ],
    };
    const pack = await open(filesOf(manifest, MAILER));
    expect(pack.remarks).toEqual([]);
    expect(JSON.parse(pack.flows[0]?.source ?? '')).toMatchObject({
      nodes: [
        { id: 'a', config: { action: 'x' }, next: 'b' },
        { id: 'b', config: { action: 'y' }, next: 'end' },
      ],
    });
  });

  test('of the older model is read with the files of its flows', async () => {
    const flow = {
      id: 'main',
      type: 'messaging',
      start: 'start',
      nodes: {
        start: { 'mailer.send': { to: '{{in.to}}' }, routing: [{ to: 'log' }] },
        log: { 'emit.response': { text: 'sent' }, routing: 'out' },
      },
    };
    const pack = await open(metaFiles(flow, wasm), { sbom: 'json' });
    expect(pack).toMatchObject({
      id: 'field.old',
      publisher: 'Field, Others',
      providers: [{ id: 'mailer', component: 'components/mailer@0.1.0/component.wasm' }],
      remarks: [],
    });
    expect(JSON.parse(pack.flows[0]?.source ?? '')).toMatchObject({
      nodes: [
        { id: 'start', type: 'event', config: { provider: 'mailer', action: 'send' }, next: 'log' },
        { id: 'log', type: 'transform', config: { value: { text: 'sent' } }, next: 'end' },
      ],
    });
  });

  test('of the older model is read with flows in YAML, and says which flow cannot be', async () => {
    const files = metaFiles({}, wasm);
    files.delete('flows/main/flow.json');
    files.set(
      'flows/main/flow.ygtc',
      Buffer.from('id: main\nstart: a\nnodes:\n  a: { mailer.send: {}, other.call: {} }\n'),
    );
    expect((await open(files)).remarks).toEqual([
      'The flow main is left out: Its node "a" does not name one component.',
    ]);
    files.delete('flows/main/flow.ygtc');
    expect((await open(files)).remarks).toEqual([
      'The flow main is left out: Its file "flows/main/flow.json" is not in the archive.',
    ]);
  });

  test('of the oldest model is refused by name', async () => {
    const error = await refusal(open(new Map([['manifest.json', Buffer.from('{}')]])));
    expect(error).toMatchObject({ code: 'manifest_missing' });
    expect(error.problems[0].cure).toContain('oldest model');
  });

  test('names its operations and secrets in manifest, extensions and assets', async () => {
    const inline = (value: unknown) => ({ kind: 'x', version: '1', inline: value });
    const manifest = symbolManifest(
      [
        {
          id: 'shop.mailer',
          more: {
            operations: [{ name: 'send', input_schema: {} }, { name: 'not one\u001b' }],
            capabilities: { host: { secrets: { required: [{ key: 'SMTP_PASSWORD' }] } } },
          },
        },
      ],
      [],
      {
        secret_requirements: [{ key: 'SMTP_USER', required: true }],
        extensions: {
          'greentic.provider-extension.v1': inline({
            providers: [{ ops: ['send', 'reply'], runtime: { component_ref: 'shop.mailer' } }],
          }),
          'greentic.ext.capabilities.v1': inline({
            offers: [{ provider: { component_ref: 'shop.mailer', op: 'mail.configure' } }],
          }),
          'greentic.pack.component_sources@v1': inline({ components: 'of another shape' }),
        },
      },
    );
    const files = filesOf(manifest, {
      'components/shop.mailer.wasm': await fieldComponent('import secrets-store;'),
      'assets/secret-requirements.json': Buffer.from('[{"key":"SMTP_HOST"},{"key":1}]'),
    });
    const [provider] = (await open(files)).providers;
    expect(provider?.operations.map(({ name }) => name)).toEqual(['send', 'reply', 'mail.configure']);
    expect(provider?.requests).toEqual([
      {
        capability: 'secrets',
        reason:
          'the component imports greentic:provider-schema-core/secrets-store@1.0.0; the pack names SMTP_PASSWORD, SMTP_USER, SMTP_HOST',
      },
    ]);
  });

  test('has its components where its manifest or an extension says, and those that nobody lists', async () => {
    const manifest = symbolManifest([{ id: 'a' }, { id: 'b' }], [], {
      extensions: {
        'greentic.pack.component_sources@v1': {
          inline: {
            components: [
              { component_id: 'c', artifact: { inline: { wasm_path: 'blobs/c.wasm' } } },
              { component_id: 'd', artifact: 'remote' },
            ],
          },
        },
      },
    });
    const files = filesOf(manifest, {
      'components/a.wasm': wasm,
      'components/b@0.1.0/component.wasm': wasm,
      'blobs/c.wasm': wasm,
      'components/E.one.wasm': wasm,
      'stubs/e.wasm': wasm,
    });
    const pack = await open(files);
    expect(pack.providers.map(({ id, component }) => [id, component])).toEqual([
      ['a', 'components/a.wasm'],
      ['b', 'components/b@0.1.0/component.wasm'],
      ['c', 'blobs/c.wasm'],
      ['e-one', 'components/E.one.wasm'],
      ['stubs-e', 'stubs/e.wasm'],
    ]);
    expect(pack.remarks).toEqual(['The component d is not in the archive, and this host fetches none.']);
  });

  test('keeps components apart whose ids become the same token', async () => {
    const files = filesOf(symbolManifest([{ id: 'a.b' }, { id: 'A-b' }, { id: 'a_b' }]), {
      'components/a.b.wasm': wasm,
      'components/A-b.wasm': wasm,
      'components/a_b.wasm': wasm,
    });
    // In the order of the manifest.
    expect((await open(files)).providers.map(({ id, component }) => [component, id])).toEqual([
      ['components/a.b.wasm', 'a-b'],
      ['components/A-b.wasm', 'a-b-2'],
      ['components/a_b.wasm', 'a_b'],
    ]);
  });

  test('is read with components that this host cannot run, and says which and why', async () => {
    const files = filesOf(symbolManifest([{ id: 'a' }, { id: 'b' }]), {
      'components/a.wasm': await fieldComponent('import of-nobody;'),
      'components/b.wasm': Buffer.from('text'),
    });
    const pack = await open(files);
    expect(pack.providers.map(({ id, requests }) => [id, requests])).toEqual([
      ['a', []],
      ['b', []],
    ]);
    expect(pack.remarks?.[0]).toMatch(/^The provider a cannot be run: The component imports .*of-nobody/);
    expect(pack.remarks?.[1]).toBe(
      'The provider b cannot be run: It is neither a WebAssembly module nor a component.',
    );
  });

  test('that is signed has the signer that signed it', async () => {
    const { key, pack } = await signedSample(filesOf(shop(), MAILER));
    expect((await openAnyPack(pack, 'x')).signer).toBe(key.publicKey.fingerprint);
  });

  test('is refused where its files are not those of its SBOM, with the file', async () => {
    const files = filesOf(shop(), MAILER);
    files.set('sbom.cbor', encodeCbor({ format: 'greentic-sbom-v1', files: [] }));
    const error = await refusal(openAnyPack(await packOf(files), 'field.gtpack'));
    expect(error.problems).toContainEqual({
      code: 'sbom_mismatch',
      message: 'The file "manifest.cbor" is not in the SBOM.',
      file: 'field.gtpack',
    });
    expect(await refusal(open(filesOf(shop(), MAILER), { sbom: 'none' }))).toMatchObject({
      code: 'sbom_missing',
    });
  });

  const faulty: readonly [string, unknown, string][] = [
    [
      'an index past the symbol table',
      shop({ pack_id: 1 }),
      'The index 1 points past the 1 entries of symbols.pack_ids.',
    ],
    [
      'an index of a component past the symbol table',
      { ...shop(), symbols: { ...(shop().symbols as object), component_ids: [] } },
      'The index 0 points past the 0 entries of symbols.component_ids.',
    ],
    ['a float for an id', shop({ pack_id: 0.5 }), '"pack_id": Expected an id, or its index.'],
    [
      'a float for the id of a component',
      shop({ components: [{ id: 1.5 }] }),
      '"components.0.id": Expected an id, or its index.',
    ],
    ['a version that is none', shop({ version: 'new' }), '"version": Expected a version such as 1.2.0.'],
    ['an id that no pack has', shop({ pack_id: 'a b' }), '"pack_id": "a b" is no id of a pack.'],
    [
      'no model at all',
      { hello: 1 },
      'The manifest follows neither the model pack-v1 nor the older { meta, flows, components }.',
    ],
  ];
  test.each(faulty)('is refused with %s', async (_, manifest, message) => {
    const error = await refusal(open(filesOf(manifest, MAILER)));
    expect(error.problems[0]).toEqual({
      code: 'manifest_invalid',
      message,
      file: 'field.gtpack!manifest.cbor',
    });
  });

  test('is refused without the component that it lists', async () => {
    expect((await refusal(open(filesOf(shop())))).problems[0]).toMatchObject({
      code: 'pack_component_missing',
      message: 'The component "shop.mailer" is listed, and its WebAssembly is not in the archive.',
    });
  });
});

test('a pack of ours goes the way that it always went', async () => {
  const pack = await openAnyPack(await packOf(sampleFiles()), 'x');
  expect(pack.providers.map(({ id, model }) => [id, model])).toEqual([['hook', 'plugin']]);
  const files = sampleFiles().set('components/hook.wasm', wasm);
  expect(await refusal(openAnyPack(await packOf(files), 'x'))).toMatchObject({
    code: 'pack_interface_mismatch',
  });
});

test('a token is what others can read of an id, and no two are the same', () => {
  const tokens = new TokenSet(12, ['taken']);
  const ids = [
    'ai.greentic.component-qa',
    'ai.greentic.x',
    '...',
    '_Ab c_',
    'taken',
    'ÄÖ',
    'x'.repeat(20),
    'x'.repeat(21),
  ];
  expect(ids.map((id) => tokens.take(id))).toEqual([
    'ai-greentic',
    'ai-greenti-2',
    'component',
    'ab-c_',
    'taken-2',
    'component-2',
    'xxxxxxxxxxxx',
    'xxxxxxxxxx-2',
  ]);
});
