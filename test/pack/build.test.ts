import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'cborg';
import { expect, test } from 'vitest';
import { readArchive } from '../../host/pack/archive-reader.ts';
import { type BuildStep, buildPack } from '../../host/pack/build.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { folderOf } from './fixture/folder.ts';
import { refusal } from './fixture/refusal.ts';
import { coreModule } from './fixture/wasm.ts';

const head = 'id: acme.shop\nversion: 1.2.3\npublisher: Acme\n';

const assemblyScript = {
  'pack.yaml': `${head}providers:
  - id: hook
    kind: webhook
    language: assemblyscript
    source: src/main.ts
    requests:
      - capability: http
        reason: asks the shop for the order
`,
  'src/main.ts': `import { EventDraft, outcome } from "gtpack";
import { shout } from "./shout";

// @ts-ignore: decorator
@external("gtpack:plugin/http@0.1.0", "send")
declare function send(request: string): string;

export function ingest(request: string): string {
  if (request == "ask") return send(request);
  return outcome([new EventDraft(shout(request))]);
}
`,
  'src/shout.ts': 'export function shout(text: string): string {\n  return text.toUpperCase();\n}\n',
};

const wasmPack = (yaml = ''): Record<string, string | Uint8Array> => ({
  'pack.yaml': `${head}providers:\n  - { id: hook, kind: webhook, wasm: hook.wasm }\n${yaml}`,
  'hook.wasm': coreModule({ exports: ['ingest'] }),
});

test('an AssemblyScript provider is compiled against the SDK of this installation, and can be read back', async () => {
  await using folder = await folderOf(assemblyScript);
  const steps: BuildStep['kind'][] = [];
  const outFile = join(folder.path, 'out/deep/shop.gtpack');
  const built = await buildPack(folder.path, { outFile, onProgress: ({ kind }) => steps.push(kind) });
  expect(steps).toEqual(['compile', 'check', 'write']);
  expect(built).toMatchObject({ file: outFile, id: 'acme.shop', version: '1.2.3', flows: [] });
  expect(built.providers).toMatchObject([{ id: 'hook', kind: 'webhook', exports: ['ingest'] }]);
  const pack = await readPack(outFile);
  expect(pack.digest).toBe(built.digest);
  expect((await readFile(outFile)).length).toBe(built.bytes);
});

test('the same source gives the same bytes, wherever it lies', async () => {
  const files = {
    ...assemblyScript,
    'flows/a.ygtc': 'name: a\n',
    'assets/deep/b.txt': 'b',
    'scripts/c.js': '',
  };
  await using here = await folderOf(files);
  await using there = await folderOf(Object.fromEntries(Object.entries(files).reverse()));
  await mkdir(join(there.path, 'moved'));
  const first = await buildPack(here.path, { outFile: join(here.path, 'a.gtpack') });
  const second = await buildPack(there.path, { outFile: join(there.path, 'moved/b.gtpack') });
  expect(second.digest).toBe(first.digest);
});

test('the memory of an AssemblyScript instance that serves many calls does not grow for ever', async () => {
  await using folder = await folderOf(assemblyScript);
  const outFile = join(folder.path, 'a.gtpack');
  await buildPack(folder.path, { outFile });
  const wasm = (await readPack(outFile)).providers[0]?.wasm ?? new Uint8Array();
  const instance = new WebAssembly.Instance(await WebAssembly.compile(new Uint8Array(wasm)), {
    env: { abort: () => undefined },
    'gtpack:plugin/http@0.1.0': { send: (request: number) => request },
  });
  const {
    memory,
    __new: allocate,
    __pin: pin,
    __unpin: unpin,
    __collect: collect,
    ingest,
  } = instance.exports as unknown as {
    memory: WebAssembly.Memory;
    __new: (size: number, id: number) => number;
    __pin: (pointer: number) => number;
    __unpin: (pointer: number) => void;
    __collect: () => void;
    ingest: (request: number) => number;
  };
  const text = Buffer.from('x'.repeat(10_000), 'utf16le');
  const call = (times: number): void => {
    for (let left = times; left > 0; left -= 1) {
      const pointer = pin(allocate(text.length, 2));
      new Uint8Array(memory.buffer).set(text, pointer);
      ingest(pointer);
      unpin(pointer);
      collect();
    }
  };
  call(200);
  const settled = memory.buffer.byteLength;
  call(5000);
  expect(memory.buffer.byteLength).toBe(settled);
});

test('a TypeScript provider is compiled to a component of its own world', async () => {
  await using folder = await folderOf({
    'pack.yaml': `${head}providers:
  - id: tool
    kind: custom
    language: typescript
    source: src/main.ts
    operations: [{ name: greet, description: Greets. }]
    requests: [{ capability: state, reason: remembers whom it greeted }]
`,
    'src/main.ts': `import { get } from 'gtpack:plugin/state@0.1.0';
import { greeting } from './greeting.ts';
export const invoke = { invoke: (_operation: string, input: string): string => JSON.stringify(greeting(input) + get('x')) };
`,
    'src/greeting.ts': 'export const greeting = (name: string): string => "Hello " + name;\n',
  });
  const outFile = join(folder.path, 'tool.gtpack');
  const built = await buildPack(folder.path, { outFile });
  expect(built.providers).toMatchObject([{ id: 'tool', exports: ['invoke'] }]);
  expect((await readPack(outFile)).providers[0]?.requests).toEqual([
    { capability: 'state', reason: 'remembers whom it greeted' },
  ]);
});

test('a WebAssembly file is taken as it is, with the four folders beside it', async () => {
  await using folder = await folderOf({
    ...wasmPack(),
    'flows/on_order.ygtc': 'name: on_order\n',
    'scripts/a.js': '1',
    'schemas/order.json': '{}',
    'assets/logo.svg': '<svg/>',
    'assets/.DS_Store': 'machine',
    'notes.txt': 'not in a folder that is packed',
  });
  const outFile = join(folder.path, 'a.gtpack');
  await buildPack(folder.path, { outFile });
  const { entries } = await readArchive(await readFile(outFile), outFile);
  expect([...entries.keys()]).toEqual([
    'assets/logo.svg',
    'components/hook.wasm',
    'flows/on_order.ygtc',
    'manifest.cbor',
    'sbom.cbor',
    'schemas/order.json',
    'scripts/a.js',
  ]);
});

test('the manifest and the SBOM have the shape that readers of the format expect', async () => {
  await using folder = await folderOf({
    ...wasmPack(),
    'pack.yaml': `${head}providers:
  - id: hook
    kind: webhook
    wasm: hook.wasm
    operations: [{ name: send, description: Sends it. }]
    requests: [{ capability: http, reason: asks the shop }]
`,
    'hook.wasm': coreModule({
      imports: [['gtpack:plugin/http@0.1.0', 'send']],
      exports: ['ingest', 'invoke'],
    }),
  });
  const outFile = join(folder.path, 'a.gtpack');
  await buildPack(folder.path, { outFile });
  const { entries } = await readArchive(await readFile(outFile), outFile);
  const documents = ['manifest.cbor', 'sbom.cbor'].map((path) =>
    decode(entries.get(path) ?? new Uint8Array()),
  );
  await expect(`${JSON.stringify(documents, null, 2)}\n`).toMatchFileSnapshot(
    '../golden/pack/documents.json',
  );
});

const failures: readonly [title: string, code: string, files: Record<string, string | Uint8Array>][] = [
  ['a source that is not there', 'pack_source_invalid', { 'pack.yaml': assemblyScript['pack.yaml'] }],
  [
    'an AssemblyScript error',
    'pack_compile_failed',
    { ...assemblyScript, 'src/shout.ts': 'export function shout(text: string): string {\n  return 1;\n}\n' },
  ],
  [
    'an import that is not there',
    'pack_compile_failed',
    {
      ...assemblyScript,
      'src/main.ts':
        'import { x } from "./nowhere";\nexport function ingest(r: string): string { return x(r); }\n',
    },
  ],
  [
    'a missing export, a request that is missing and one too many',
    'pack_interface_mismatch',
    {
      'pack.yaml': `${head}providers:\n  - id: hook\n    kind: webhook\n    wasm: hook.wasm\n    requests:\n      - { capability: state, reason: none }\n`,
      'hook.wasm': coreModule({ imports: [['gtpack:plugin/bus@0.1.0', 'publish']], exports: ['tick'] }),
    },
  ],
  ['a wasm that is none', 'plugin_invalid', { ...wasmPack(), 'hook.wasm': 'text' }],
  ['a flow that is not UTF-8', 'pack_text_invalid', { ...wasmPack(), 'flows/a.ygtc': Buffer.from([0xff]) }],
  ['a path with a backslash', 'pack_source_invalid', { ...wasmPack(), 'assets/a\\b': 'x' }],
  [
    'two paths that differ in case',
    'archive_path_conflict',
    { ...wasmPack(), 'assets/a': 'x', 'assets/A': 'x' },
  ],
];

test.each(failures)('a pack with %s is not built', async (_title, code, files) => {
  await using folder = await folderOf(files);
  const outFile = join(folder.path, 'a.gtpack');
  const error = await refusal(buildPack(folder.path, { outFile }));
  expect(error.code, error.message).toBe(code);
  await expect(readFile(outFile)).rejects.toThrow('ENOENT');
});

test('every failure of a build says what is wrong, where, and how to mend it', async () => {
  const lines: string[] = [];
  for (const [title, , files] of failures) {
    await using folder = await folderOf(files);
    const { message } = await refusal(buildPack(folder.path, { outFile: join(folder.path, 'a.gtpack') }));
    lines.push(`${title}\n  ${message.replaceAll(`${folder.path}/`, '').replaceAll('\n', '\n  ')}\n`);
  }
  await expect(lines.join('\n')).toMatchFileSnapshot('../golden/pack/build-failures.txt');
});

test('a link in a packed folder is refused, not followed', async () => {
  await using folder = await folderOf({ ...wasmPack(), 'assets/a': 'x' });
  await symlink('/etc/hostname', join(folder.path, 'assets/b'));
  const error = await refusal(buildPack(folder.path, { outFile: join(folder.path, 'a.gtpack') }));
  expect(error.message).toBe(`${folder.path}/assets/b: It is a link or a device; a pack holds files only.`);
});

test('a place that cannot be written is named, and nothing is left behind', async () => {
  await using folder = await folderOf(wasmPack());
  await writeFile(join(folder.path, 'file'), '');
  const error = await refusal(buildPack(folder.path, { outFile: join(folder.path, 'file/a.gtpack') }));
  expect(error.code).toBe('pack_unwritable');
});
