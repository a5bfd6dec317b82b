import { expect, test } from 'vitest';
import { readPackFile } from '../../host/pack/pack-yaml.ts';
import { folderOf } from './fixture/folder.ts';
import { refusal } from './fixture/refusal.ts';

const head = 'id: acme.shop\nversion: 1.0.0\npublisher: Acme\n';
const provider = (lines: string): string =>
  `${head}providers:\n  - id: hook\n    kind: webhook\n${lines.replace(/^/gm, '    ')}\n`;

const refused: readonly [title: string, yaml: string][] = [
  ['an empty file', ''],
  ['a list', '- a'],
  ['a syntax error', 'id: [a'],
  ['the same key twice', `${head}id: again\n`],
  ['an unknown key', `${head}licence: MIT\n`],
  ['a near miss of a key', 'id: a\nverison: 1.0.0\npublisher: A\n'],
  ['no id', 'version: 1.0.0\npublisher: Acme\n'],
  ['an id with a slash', 'id: a/b\nversion: 1.0.0\npublisher: Acme\n'],
  ['a version that YAML takes for a number', 'id: a\nversion: 1.0\npublisher: Acme\n'],
  ['a version that is none', 'id: a\nversion: v1\npublisher: Acme\n'],
  ['a publisher of two lines', 'id: a\nversion: 1.0.0\npublisher: "A\\nB"\n'],
  ['a provider id in capitals', `${head}providers: [{ id: Hook, kind: webhook, wasm: a.wasm }]\n`],
  [
    'the same provider twice',
    `${head}providers:\n  - { id: a, kind: webhook, wasm: a.wasm }\n  - { id: a, kind: timer, wasm: a.wasm }\n`,
  ],
  ['a kind that is not known', `${head}providers: [{ id: a, kind: webhok, wasm: a.wasm }]\n`],
  ['neither source nor wasm', provider('')],
  ['source and wasm', provider('source: a.ts\nlanguage: assemblyscript\nwasm: a.wasm')],
  ['a source without language', provider('source: a.ts')],
  ['a language that is not known', provider('source: a.ts\nlanguage: rust')],
  ['a language for a wasm', provider('wasm: a.wasm\nlanguage: typescript')],
  ['a source outside the folder', provider('source: ../a.ts\nlanguage: typescript')],
  ['an absolute source', provider('source: /a.ts\nlanguage: typescript')],
  ['an unknown key of a provider', provider('wasm: a.wasm\nrequest: []')],
  ['an unknown capability', provider('wasm: a.wasm\nrequests: [{ capability: htp, reason: x }]')],
  ['a request without reason', provider('wasm: a.wasm\nrequests: [{ capability: http }]')],
  [
    'a request for what needs no grant',
    provider('wasm: a.wasm\nrequests:\n  - { capability: log, reason: x }'),
  ],
  ['an operation without description', provider('wasm: a.wasm\noperations: [{ name: send }]')],
  [
    'the same operation twice',
    provider('wasm: a.wasm\noperations: [{ name: a, description: x }, { name: a, description: y }]'),
  ],
  ['exports without the one of the kind', provider('wasm: a.wasm\nexports: [handle]')],
  ['invoke without operations', provider('wasm: a.wasm\nexports: [ingest, invoke]')],
  [
    'operations without invoke',
    provider('wasm: a.wasm\nexports: [ingest]\noperations: [{ name: a, description: x }]'),
  ],
  [
    'a custom provider without anything',
    `${head}providers:\n  - id: a\n    kind: custom\n    wasm: a.wasm\n`,
  ],
];

test.each(refused)('a pack.yaml with %s is refused', async (_title, yaml) => {
  await using folder = await folderOf({ 'pack.yaml': yaml });
  const error = await refusal(readPackFile(folder.path));
  expect(['pack_yaml_invalid', 'yaml_invalid']).toContain(error.code);
});

test('every refusal says what is wrong, where, and how to mend it', async () => {
  const lines: string[] = [];
  for (const [title, yaml] of refused) {
    await using folder = await folderOf({ 'pack.yaml': yaml });
    const { message } = await refusal(readPackFile(folder.path));
    lines.push(`${title}\n  ${message.replaceAll(`${folder.path}/`, '').replaceAll('\n', '\n  ')}\n`);
  }
  await expect(lines.join('\n')).toMatchFileSnapshot('../golden/pack/pack-yaml.txt');
});

test('a folder without pack.yaml is refused by name', async () => {
  await using folder = await folderOf({});
  const error = await refusal(readPackFile(folder.path));
  expect(error.message).toBe(
    `${folder.path}/pack.yaml: The folder has no pack.yaml. A pack is built from a folder with a pack.yaml.`,
  );
});

test('exports follow from kind and operations where they are not listed', async () => {
  await using folder = await folderOf({
    'pack.yaml': `${head}providers:
  - { id: hook, kind: webhook, wasm: a.wasm, operations: [{ name: send, description: Sends. }] }
  - { id: clock, kind: timer, wasm: a.wasm }
  - { id: mail, kind: email, wasm: a.wasm, exports: [ingest, handle] }
  - { id: tool, kind: custom, source: a.ts, language: typescript, operations: [{ name: run, description: Runs. }] }
`,
  });
  const file = await readPackFile(folder.path);
  expect(file.providers.map(({ id, exports }) => [id, exports])).toEqual([
    ['hook', ['ingest', 'invoke']],
    ['clock', ['tick']],
    ['mail', ['ingest', 'handle']],
    ['tool', ['invoke']],
  ]);
});

test('a pack of flows alone needs no provider', async () => {
  await using folder = await folderOf({ 'pack.yaml': head });
  expect((await readPackFile(folder.path)).providers).toEqual([]);
});
