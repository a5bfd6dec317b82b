import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { decodeCbor, encodeCbor } from '../../host/pack/cbor.ts';
import { openPack } from '../../host/pack/read-pack.ts';
import { readWasmInterface } from '../../host/pack/wasm-interface.ts';
import { malformedArchives } from './fixture/malformed-archives.ts';
import { packOf, sampleFiles } from './fixture/sample-pack.ts';
import { component, coreModule } from './fixture/wasm.ts';

/** A change of some bytes: overwritten, cut out, or put in. */
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.integer({ min: 0, max: 8 }),
  insert: fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.constantFrom(new Uint8Array([0xff, 0xff, 0xff, 0xff]), new Uint8Array(4)),
  ),
});

function edited(
  bytes: Uint8Array,
  edits: readonly { at: number; remove: number; insert: Uint8Array }[],
): Uint8Array {
  return edits.reduce<Uint8Array>((result, { at, remove, insert }) => {
    const start = Math.floor(at * result.length);
    return Buffer.concat([result.subarray(0, start), insert, result.subarray(start + remove)]);
  }, bytes);
}

async function onlyCodedErrors(promise: Promise<unknown>): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error !== undefined) expect(error).toBeInstanceOf(GtpackError);
}

test('whatever is done to a pack, reading it gives a pack or a coded error', async () => {
  const bytes = await packOf(sampleFiles());
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) =>
      onlyCodedErrors(openPack(edited(bytes, edits), 'x')),
    ),
    { numRuns: 1500 },
  );
});

test('whatever is done to a malformed archive, reading it gives a coded error or a pack', async () => {
  const small = malformedArchives().filter(({ bytes }) => bytes.length < 20_000);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...small),
      fc.array(edit, { minLength: 1, maxLength: 3 }),
      ({ bytes }, edits) => onlyCodedErrors(openPack(edited(bytes, edits), 'x')),
    ),
    { numRuns: 1500 },
  );
});

test('whatever the manifest and the SBOM hold, reading gives a pack or a coded error', async () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        value.map((json) => encodeCbor(json as never)),
      ),
      fc.boolean(),
      (bytes, isManifest) =>
        onlyCodedErrors(
          (async () => {
            const files = sampleFiles();
            files.set(isManifest ? 'manifest.cbor' : 'sbom.cbor', bytes);
            return openPack(await packOf(files), 'x');
          })(),
        ),
    ),
    { numRuns: 500 },
  );
});

test('CBOR that is marked as such is read; a second mark is a tag', () => {
  expect(decodeCbor(Buffer.from('d9d9f7a1616101', 'hex'))).toEqual({ a: 1 });
  expect(() => decodeCbor(Buffer.from('d9d9f7d9d9f7a0', 'hex'))).toThrow('there is a tag at byte 0');
});

test('CBOR that was written is read back as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      const text = JSON.stringify(json);
      expect(JSON.parse(JSON.stringify(decodeCbor(encodeCbor(JSON.parse(text)))))).toEqual(JSON.parse(text));
    }),
    { numRuns: 300 },
  );
});

test('whatever is done to a binary, reading its imports and exports gives them or a coded error', async () => {
  const binaries = [
    coreModule({ imports: [['gtpack:plugin/log@0.1.0', 'write']], exports: ['ingest', 'tick'] }),
    component({ imports: ['gtpack:plugin/log@0.1.0'], exports: ['gtpack:plugin/tick@0.1.0'] }),
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...binaries),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      (bytes, edits) => onlyCodedErrors((async () => readWasmInterface(edited(bytes, edits), 'x'))()),
    ),
    { numRuns: 2000 },
  );
});
