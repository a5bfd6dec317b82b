import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPack } from '../../../host/pack/build.ts';
import { readPack } from '../../../host/pack/read-pack.ts';
import { generateKeyPair, parseSigningKey } from '../../../host/pack/signing-key.ts';
import { Child } from '../child.ts';
import { alternate } from '../measure.ts';
import type { PackSetup, PacksProcess } from '../process/packs.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';

const COMPONENTS = 10;
const PACK_BYTES = 3 * 1024 * 1024;

/** What a pack costs who opens, builds and calls it, against the least that has to be done. */
export const packs: Row = {
  name: 'packs',
  about: 'opening, building and calling packs',

  async run({ workspace, rounds }: RowTools): Promise<Line[]> {
    const echo = await workspace.pack('echo-as');
    const folder = await workspace.newFolder();
    const source = await largeSource(folder, echo);
    const large = join(folder, 'large.gtpack');
    const key = await parseSigningKey(generateKeyPair().privateKey, 'key');
    const { bytes } = await buildPack(source, {
      outFile: large,
      signing: { key, signedAt: '2026-01-02T03:04:05Z' },
    });
    const setup = (work: PackSetup['work'], path: string): PackSetup => ({
      work,
      path,
      outFile: join(folder, `${work}.gtpack`),
    });
    const notes = [`${bytes} bytes, ${COMPONENTS} components, signed`];
    const lines: Line[] = [];
    for (const [words, sides] of [
      [
        { name: 'opening a pack of 3 MB', notes },
        [
          ['read and verified', setup('open', large)],
          ['read and hashed', setup('hash', large)],
        ],
      ],
      [
        { name: 'building a pack of 3 MB' },
        [
          ['its components checked, hashed and written', setup('build', source)],
          ['read and hashed', setup('hash', large)],
        ],
      ],
      [
        { name: 'a call from the command line, warm' },
        [
          ['read, in a cell host of its own', setup('call', echo)],
          ['compiled and instantiated in this thread', setup('instantiate', echo)],
        ],
      ],
    ] as const) {
      const children = sides.map(() => new Child<PacksProcess>('packs'));
      try {
        for (const [index, [, start]] of sides.entries()) await children[index]?.call('start', start);
        const [a, b] = await alternate(
          sides.map(([label], index) => ({
            label,
            measure: async (seconds) => (await children[index]?.call('measure', seconds)) ?? Number.NaN,
          })),
          rounds,
        );
        if (a === undefined || b === undefined) throw new Error('a side is missing');
        lines.push(pair({ unit: 'ms', ...words }, a, b));
      } finally {
        await Promise.all(children.map((child) => child.stop()));
      }
    }
    return lines;
  },
};

/** A folder of ten providers whose WebAssembly is there, each filled up by a custom section to a tenth of the size. */
async function largeSource(folder: string, echo: string): Promise<string> {
  const source = join(folder, 'source');
  await mkdir(source);
  const [provider] = (await readPack(echo)).providers;
  const wasm = provider?.wasm ?? new Uint8Array();
  const fill = Math.floor(PACK_BYTES / COMPONENTS) - wasm.length;
  const ids = Array.from({ length: COMPONENTS }, (_, index) => `part-${index}`);
  for (const [index, id] of ids.entries()) {
    await writeFile(join(source, `${id}.wasm`), Buffer.concat([wasm, customSection(fill, index)]));
  }
  const { exports = [], operations = [], requests = [] } = provider ?? {};
  const providers = ids.map((id) => ({
    id,
    kind: 'webhook',
    wasm: `${id}.wasm`,
    exports,
    operations,
    requests,
  }));
  await writeFile(
    join(source, 'pack.yaml'),
    JSON.stringify({ id: 'bench.large', version: '1.0.0', publisher: 'bench', providers }),
  );
  return source;
}

/** Data segments weigh as much in real ones; these are no zeros, which would hash no faster but look it. */
function customSection(length: number, seed: number): Buffer {
  const content = Buffer.alloc(length, 1);
  for (let at = 2; at + 4 <= length; at += 4) content.writeUInt32LE(((at + seed) * 2_654_435_761) >>> 0, at);
  content.writeUInt8(0x70, 1);
  return Buffer.concat([Buffer.from([0]), leb(content.length), content]);
}

function leb(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
