import { encode } from 'cborg';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { openAnyPack } from '../../host/interop/any-pack.ts';
import { readFieldPack } from '../../host/interop/field-pack.ts';
import type { VerifiedArchive } from '../../host/pack/archive-reader.ts';
import { decodeCbor, encodeCbor } from '../../host/pack/cbor.ts';
import { fieldArchive, fieldComponent, metaFiles, symbolManifest } from './fixture/field-packs.ts';

const wasm = await fieldComponent();
const symbols = symbolManifest(
  [{ id: 'mailer' }],
  [
    {
      id: 'main',
      nodes: {
        a: {
          component: 'mailer',
          operation: 'send',
          mapping: { to: '{{in.to}}' },
          routing: { Branch: { on_status: { ok: 'b' }, default: null } },
        },
        b: {
          component: 'component.exec',
          mapping: { component: 'mailer' },
          routing: { Custom: [{ condition: 'a == "b"', to: 'c' }] },
        },
        c: { component: 'emit.response', mapping: { text: 'Hello {{node.a.name}}' } },
      },
    },
  ],
  {
    extensions: {
      'greentic.pack.component_sources@v1': { inline: { components: [{ name: 'x', artifact: 'remote' }] } },
    },
  },
);
const old = metaFiles(
  { start: 'start', nodes: { start: { 'mailer.send': {}, routing: [{ to: 'start' }] } } },
  wasm,
);
const oldManifest = decodeCbor(old.get('manifest.cbor') ?? new Uint8Array());

/** What stands in the place of a part of a manifest. */
const strange = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    null,
    -1,
    0.5,
    2 ** 40,
    '',
    '__proto__',
    '{{',
    '{{a.b[0]',
    '../x',
    [],
    {},
    [[]],
    new Uint8Array(3),
  ),
  fc.string({ maxLength: 2000 }),
);

/** The value with another one, or none, at a random place. */
function changed(value: unknown, way: readonly number[], by: unknown): unknown {
  const [turn, ...rest] = way;
  if (turn === undefined || typeof value !== 'object' || value === null) return by;
  const keys = Object.keys(value);
  const key = keys[turn % Math.max(keys.length, 1)];
  if (key === undefined) return by;
  const entries = Object.entries(value).map(([each, inner]) => [
    each,
    each === key ? changed(inner, rest, by) : inner,
  ]);
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}

function archiveOf(entries: ReadonlyMap<string, Uint8Array>): VerifiedArchive {
  return { __brand: 'VerifiedArchive', file: 'x', digest: '', entries };
}

function onlyCodedErrors(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(GtpackError);
  }
}

test.each([
  ['with symbol tables', symbols, new Map([['components/mailer.wasm', wasm]])],
  ['of the older model', oldManifest, old],
] as const)('whatever a manifest %s holds, it gives a pack or a coded error', (_, manifest, entries) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.array(fc.nat({ max: 30 }), { maxLength: 8 }), strange), {
        minLength: 1,
        maxLength: 3,
      }),
      (changes) => {
        const value = changes.reduce<unknown>((whole, [way, by]) => changed(whole, way, by), manifest);
        onlyCodedErrors(() => readFieldPack(archiveOf(entries), value));
      },
    ),
    { numRuns: 2000 },
  );
});

test('whatever a flow file of the older model holds, it gives a pack', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.jsonValue({ maxDepth: 4 }).map((json) => Buffer.from(JSON.stringify(json))),
        fc
          .array(fc.tuple(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 })), { maxLength: 5 })
          .map((nodes) => Buffer.from(JSON.stringify({ nodes: Object.fromEntries(nodes) }))),
      ),
      fc.constantFrom('flows/main/flow.json', 'flows/main/flow.ygtc'),
      (content, path) => {
        const entries = new Map(old);
        entries.delete('flows/main/flow.json');
        const { manifest } = readFieldPack(archiveOf(entries.set(path, content)), oldManifest);
        expect(manifest.flows).toHaveLength(1);
      },
    ),
    { numRuns: 1000 },
  );
});

test('a manifest as long and as deep as one may be is read, or refused, at once', async () => {
  const nodes = Object.fromEntries(
    Array.from({ length: 4000 }, (_, index) => [`n${index}`, { component: 'mailer', operation: 'x' }]),
  );
  const wide = encodeCbor(
    JSON.parse(JSON.stringify(symbolManifest([{ id: 'mailer' }], [{ id: 'main', nodes }]))),
  );
  const files = new Map([
    ['manifest.cbor', wide],
    ['components/mailer.wasm', wasm],
  ]);
  const pack = await openAnyPack(await fieldArchive(files), 'x');
  expect(pack.remarks).toEqual(['The flow main is left out: It has 4000 nodes; at most 400 are read.']);

  let deep: unknown = '{{in}}';
  for (let depth = 0; depth < 50; depth += 1) deep = [deep];
  const manifest = symbolManifest(
    [{ id: 'mailer' }],
    [{ id: 'main', nodes: { a: { component: 'mailer', operation: 'x', mapping: { deep } } } }],
  );
  const { flows } = await openAnyPack(
    await fieldArchive(new Map(files).set('manifest.cbor', encode(manifest))),
    'x',
  );
  expect(flows).toHaveLength(1);
});
