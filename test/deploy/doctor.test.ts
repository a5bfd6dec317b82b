import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'cborg';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { hostRooms } from '../../host/cli/rooms.ts';
import { declaredMemories } from '../../host/deploy/doctor/declared-memories.ts';
import { describedOperations } from '../../host/deploy/doctor/described-operations.ts';
import { examine } from '../../host/deploy/doctor/doctor.ts';
import type { DoctorReport, Finding } from '../../host/deploy/doctor/finding.ts';
import { openPlaces } from '../../host/deploy/doctor/open-places.ts';
import { encodeManifest, type ManifestProvider } from '../../host/pack/manifest.ts';
import { runToEnd } from '../cli/desk.ts';
import { moduleText } from '../hostile/guest-text.ts';
import { scriptComponent, textComponent } from '../interop/component-maker.ts';
import { HTTP_CLIENTS, SCHEMA_CORE, typesWit } from '../interop/field-wit.ts';
import { type FieldFlowSpec, fieldArchive, symbolManifest } from '../interop/fixture/field-packs.ts';
import { SCHEMA_CORE_SCRIPT } from '../interop/guest-script.ts';
import { folderOf } from '../pack/fixture/folder.ts';
import { packOf, sampleFiles, sampleProvider, signedSample } from '../pack/fixture/sample-pack.ts';

/** Tells its operations apart from those that it does not know. */
let component: Uint8Array;
beforeAll(async () => {
  component = await scriptComponent({
    world:
      'world built { import greentic:http/http-client@1.0.0; export greentic:provider-schema-core/schema-core-api@1.0.0; }',
    packages: [SCHEMA_CORE, HTTP_CLIENTS.plain, typesWit(true)],
    script: `
import { send } from 'greentic:http/http-client@1.0.0';
const operations = {
  send: ({ url }) => (url === undefined ? { ok: false, error: 'there is no url' } : send({ method: 'GET', url, headers: [], body: undefined }, undefined).status),
  more: () => 1,
};${SCHEMA_CORE_SCRIPT}
const { invoke } = schemaCoreApi;
schemaCoreApi.describe = () => json({ ops: ['send', 'more'] });
schemaCoreApi.invoke = (op, input) =>
  op === 'hidden' ? json({ ok: true }) : operations[op] === undefined ? json({ ok: false, error: 'unsupported op: ' + op }) : invoke(op, input);`,
  });
});

function codesOf({ findings }: DoctorReport): string[] {
  return findings.map(({ severity, code }) => `${severity} ${code}`);
}

function found({ findings }: DoctorReport, code: string): Finding[] {
  return findings.filter((finding) => finding.code === code);
}

async function examineFiles(name: string, content: Uint8Array): Promise<DoctorReport> {
  await using folder = await folderOf({ [name]: content });
  return await examine(join(folder.path, name), {});
}

async function fieldPack(
  operations: readonly string[],
  flows: readonly FieldFlowSpec[] = [],
): Promise<Uint8Array> {
  const more = { operations: operations.map((name) => ({ name, input_schema: {}, output_schema: {} })) };
  return fieldArchive(
    new Map<string, Uint8Array>([
      ['manifest.cbor', encode(symbolManifest([{ id: 'mailer', more }], flows))],
      ['components/mailer.wasm', component],
    ]),
  );
}

describe('a pack of another host', () => {
  test('that is what it says has nothing that would fail', async () => {
    const report = await examineFiles('field.gtpack', await fieldPack(['send', 'more']));
    expect(report).toMatchObject({ ok: true, kind: 'pack' });
    expect(codesOf(report)).toEqual(['warning pack_unsigned']);
  });

  test('declares operations that its component does not know, leaves out some, and does not describe others', async () => {
    const report = await examineFiles('field.gtpack', await fieldPack(['send', 'hidden', 'gone']));
    expect(report.ok).toBe(false);
    expect(found(report, 'operation_missing')).toEqual([
      {
        severity: 'error',
        code: 'operation_missing',
        message:
          'The pack declares the operation "gone" of mailer, and the component does not know it: it describes "send", "more".',
        cure: 'Leave it out of flows, or get a pack that fits its component.',
      },
    ]);
    expect(found(report, 'operation_undescribed')).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('"hidden"') },
    ]);
    expect(found(report, 'operation_undeclared')).toMatchObject([
      { severity: 'info', message: expect.stringContaining('"more"') },
    ]);
  });

  test('has a flow that calls an operation that nobody knows', async () => {
    const flows = [
      { id: 'good', nodes: { a: { component: 'mailer', operation: 'more' } } },
      { id: 'bad', nodes: { a: { component: 'mailer', operation: 'fly' } } },
    ];
    const report = await examineFiles('field.gtpack', await fieldPack(['send', 'more'], flows));
    expect(found(report, 'flow_operation_unknown')).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('calls the operation "fly"') },
    ]);
  });
});

describe('a pack of our own', () => {
  const provider = (changes: Partial<ManifestProvider>): ManifestProvider => ({
    ...sampleProvider,
    ...changes,
  });
  const sample = async (
    providers: readonly ManifestProvider[],
    wasm: Uint8Array,
    files: Readonly<Record<string, string>> = {},
  ): Promise<Uint8Array> => {
    const all = sampleFiles();
    all.delete('flows/on_order.ygtc');
    all.set(
      'manifest.cbor',
      encodeManifest({ id: 'acme.shop', version: '1.2.3', publisher: 'Acme', providers: [...providers] }),
    );
    all.set('components/hook.wasm', wasm);
    for (const [path, text] of Object.entries(files)) all.set(path, Buffer.from(text));
    return packOf(all);
  };

  test('that is sound and signed has nothing to say', async () => {
    const all = sampleFiles();
    all.delete('flows/on_order.ygtc');
    all.set(
      'manifest.cbor',
      encodeManifest({
        id: 'acme.shop',
        version: '1.2.3',
        publisher: 'Acme',
        providers: [provider({ requests: [] })],
      }),
    );
    all.set('components/hook.wasm', await moduleText({}));
    const report = await examineFiles('own.gtpack', (await signedSample(all)).pack);
    expect(codesOf(report).filter((code) => !code.includes('export_undeclared'))).toEqual([]);
    expect(report.ok).toBe(true);
  });

  test('requests what it never imports', async () => {
    const report = await examineFiles('own.gtpack', await sample([provider({})], await moduleText({})));
    expect(found(report, 'request_unused')).toMatchObject([{ severity: 'warning' }]);
    expect(report.ok).toBe(true);
  });

  test('imports what it does not request, and so is not taken', async () => {
    const report = await examineFiles(
      'own.gtpack',
      await packOf(
        sampleFiles().set(
          'manifest.cbor',
          encodeManifest({
            id: 'acme.shop',
            version: '1.2.3',
            publisher: 'Acme',
            providers: [provider({ requests: [] })],
          }),
        ),
      ),
    );
    expect(report.ok).toBe(false);
    expect(
      report.findings.some(({ message }) => message.includes('imports "http" without requesting it')),
    ).toBe(true);
  });

  test('brings a schema that is none, a config that is needed, and memory beyond its bound', async () => {
    const schemas = { 'schemas/config.json': '{"type":"object","required":["key"]}' };
    const needed = await examineFiles(
      'own.gtpack',
      await sample(
        [provider({ requests: [], config_schema: 'schemas/config.json' })],
        await moduleText({ memory: '2 65536' }),
        schemas,
      ),
    );
    expect(found(needed, 'config_needed')).toMatchObject([{ severity: 'info' }]);
    expect(found(needed, 'memory_maximum')).toMatchObject([
      { severity: 'info', message: expect.stringContaining('4294967296') },
    ]);
    expect(needed.ok).toBe(true);
    const invalid = await examineFiles(
      'own.gtpack',
      await sample([provider({ requests: [], config_schema: 'schemas/config.json' })], await moduleText({}), {
        'schemas/config.json': '{"type":"nothing"}',
      }),
    );
    expect(found(invalid, 'pack_schema_invalid')).toMatchObject([{ severity: 'error' }]);
  });

  test('wants more memory than it gets', async () => {
    const report = await examineFiles(
      'own.gtpack',
      await sample([provider({ requests: [] })], await moduleText({ memory: '2000' })),
    );
    expect(found(report, 'guest_memory_too_large')).toMatchObject([
      { severity: 'error', message: expect.stringContaining('"hook"') },
    ]);
  });

  test('has flows that are none, and flows that call providers of others', async () => {
    const report = await examineFiles(
      'own.gtpack',
      await sample([provider({ requests: [] })], await moduleText({}), {
        'flows/broken.ygtc':
          'name: broken\nversion: "1.0"\nnodes: [{ id: a, type: llm }]\ntriggers: [{ type: event, event_type: a.b, target: a }]\n',
        'flows/asks.ygtc':
          'name: asks\nversion: "1.0"\nnodes: [{ id: a, type: event, config: { provider: mailer, action: send } }]\ntriggers: [{ type: event, event_type: a.b, target: a }]\n',
      }),
    );
    expect(found(report, 'flow_invalid')).toMatchObject([
      { severity: 'error', message: expect.stringContaining('llm') },
    ]);
    expect(found(report, 'flow_provider_foreign')).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('"mailer"') },
    ]);
  });

  test('was tampered with', async () => {
    const { pack } = await signedSample();
    const at = Buffer.from(pack).indexOf('export const total = 1;');
    const changed = Uint8Array.from(pack);
    changed[at + 21] = 0x32;
    const report = await examineFiles('own.gtpack', changed);
    expect(report.ok).toBe(false);
  });
});

test('a bare component that imports what nobody offers would fail, and one that traps when it is asked is said to', async () => {
  const foreign = await textComponent(
    'package test:built@0.1.0; interface dial { call: func(); } world built { import dial; export hello: func(); }',
    '(module (import "test:built/dial@0.1.0" "call" (func)) (memory (export "memory") 1) (func (export "hello")))',
  );
  const report = await examineFiles('foreign.wasm', foreign);
  expect(report).toMatchObject({ ok: false, kind: 'component' });
  expect(found(report, 'guest_import_refused')[0]?.message).toContain('test:built/dial@0.1.0#call');
  const trapping = await scriptComponent({
    world: 'world built { export greentic:provider-schema-core/schema-core-api@1.0.0; }',
    packages: [SCHEMA_CORE],
    script: `const operations = {};${SCHEMA_CORE_SCRIPT}\nschemaCoreApi.describe = () => { throw new Error('no'); };`,
  });
  expect(found(await examineFiles('trapping.wasm', trapping), 'guest_trap')).toMatchObject([
    { severity: 'warning' },
  ]);
});

test.each<[string, string | Uint8Array]>([
  ['no ZIP', 'hello'],
  ['nothing', ''],
])('a file that holds %s is reported and not thrown', async (_, content) => {
  const report = await examineFiles('x.gtpack', Buffer.from(content));
  expect(report).toMatchObject({ ok: false, kind: 'pack' });
  expect(report.findings[0]?.code).toMatch(/^archive_/);
});

describe('a bundle', () => {
  const bundleOf = async (yaml: string, files: Readonly<Record<string, string | Uint8Array>> = {}) =>
    folderOf({ 'bundle.yaml': yaml, 'field.gtpack': await fieldPack(['send']), ...files });
  const PROVIDER =
    'providers:\n  mailer: { pack: field.gtpack, grants: { http: { hosts: [api.example.com] } } }\n';

  test('tells what becomes of events on this machine, who is trusted, and the findings of its packs', async () => {
    await using folder = await bundleOf(PROVIDER);
    const report = await examine(folder.path, {});
    expect(report).toMatchObject({ ok: true, kind: 'bundle', file: join(folder.path, 'bundle.yaml') });
    expect(found(report, 'durability')).toHaveLength(1);
    expect(found(report, 'trust_missing')).toMatchObject([{ severity: 'info' }]);
    expect(found(report, 'operation_undeclared')).toMatchObject([
      { file: join(folder.path, 'field.gtpack') },
    ]);
  });

  test('outside of dev without trust starts nothing, and says why', async () => {
    await using folder = await bundleOf(`env: prod\n${PROVIDER}`);
    const report = await examine(join(folder.path, 'bundle.yaml'), {});
    expect(report.ok).toBe(false);
    expect(found(report, 'pack_unsigned')).toMatchObject([{ severity: 'error' }]);
    expect(found(report, 'trust_missing')).toMatchObject([{ severity: 'warning' }]);
  });

  test('whose provider lacks a grant is told the grant', async () => {
    await using folder = await bundleOf('providers:\n  mailer: { pack: field.gtpack }\n');
    const report = await examine(folder.path, {});
    expect(found(report, 'guest_import_refused')).toMatchObject([
      { severity: 'error', cure: expect.stringContaining('http: { hosts:') },
    ]);
  });

  test('with a secret that others may read is told to close it', async () => {
    await using folder = await bundleOf(
      `${PROVIDER}secrets:\n  KEY: file:key.txt\ngrants: { http: { hosts: [api.example.com], auth: [{ secret: KEY, hosts: [api.example.com] }] } }\n`,
      { 'key.txt': 'secret' },
    );
    await chmod(join(folder.path, 'key.txt'), 0o644);
    const open = found(await examine(folder.path, {}), 'bundle_warning');
    expect(open.some(({ message }) => message.includes('key.txt') && message.includes('chmod 600'))).toBe(
      true,
    );
  });

  test('that keeps its files open to others is told which, and how to close them', async () => {
    await using folder = await folderOf({
      'bundle.yaml': PROVIDER,
      'field.gtpack': '',
      '.gtpack/bus.sqlite': '',
    });
    const kept = join(folder.path, '.gtpack');
    const bundle = await loadBundle(folder.path);
    await chmod(kept, 0o755);
    await chmod(join(kept, 'bus.sqlite'), 0o644);
    expect(await openPlaces(bundle)).toMatchObject([
      {
        severity: 'warning',
        code: 'files_open',
        message: expect.stringContaining('bus.sqlite'),
        cure: `chmod 700 ${kept}`,
      },
    ]);
    await chmod(join(kept, 'bus.sqlite'), 0o600);
    expect(await openPlaces(bundle)).toEqual([]);
    await chmod(kept, 0o777);
    expect(await openPlaces(bundle)).toMatchObject([{ severity: 'warning', code: 'folder_open' }]);
    await chmod(kept, 0o700);
    expect(await openPlaces(bundle)).toEqual([]);
  });

  test('that cannot be read is reported with its line', async () => {
    await using folder = await folderOf({ 'bundle.yaml': 'providers:\n  a: { pakc: x }\n' });
    expect((await examine(folder.path, {})).findings).toMatchObject([{ severity: 'error', line: 2 }, {}]);
  });
});

test('the command prints findings with their cures, or one JSON document, and its status says whether something would fail', async () => {
  await using folder = await folderOf({ 'field.gtpack': await fieldPack(['send', 'more', 'gone']) });
  const options = { cwd: folder.path, rooms: hostRooms };
  const told = await runToEnd(['doctor', 'field.gtpack'], options);
  expect(told.status).toBe(1);
  expect(told.out).toContain('error    operation_missing: The pack declares the operation "gone"');
  expect(told.out).toContain('\n         Leave it out of flows');
  expect(told.out.trimEnd().split('\n').at(-1)).toBe('field.gtpack: this would fail at run time.');
  const json = await runToEnd(['doctor', 'field.gtpack', '--json'], options);
  expect([json.status, JSON.parse(json.out)]).toMatchObject([
    1,
    { ok: false, kind: 'pack', findings: [{ severity: 'error' }, {}] },
  ]);
});

test('descriptions list operations in several ways, and a description that is none lists nothing', () => {
  expect(describedOperations('{"operations":[{"name":"a"},{"id":"b"},"c",7]}')).toEqual(['a', 'b', 'c']);
  expect(describedOperations('{"ops":["a"]}')).toEqual(['a']);
  expect(describedOperations('{"operations":[],"capabilities":{"operations":["a"]}}')).toEqual(['a']);
  for (const none of ['null', '[]', '{"ops":{}}', '{"ops":[]}', 'what?', '['.repeat(1000)])
    expect(describedOperations(none)).toBeUndefined();
});

test('memories are read as their module declares them', async () => {
  expect(declaredMemories(await moduleText({ memory: '2 3' }))).toEqual([
    { minimumBytes: 131_072, maximumBytes: 196_608 },
  ]);
  expect(declaredMemories(await moduleText({}))).toEqual([
    { minimumBytes: 131_072, maximumBytes: undefined },
  ]);
  expect(declaredMemories(Uint8Array.of(1, 2, 3))).toEqual([]);
});
