import type { PackName } from '../../system/packs.ts';
import { Child } from '../child.ts';
import { alternate } from '../measure.ts';
import type { BareOutboundProcess } from '../process/bare-outbound.ts';
import type { Burst, CellOutboundProcess } from '../process/cell-outbound.ts';
import type { SlowServerProcess } from '../process/slow-server.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';

const ANSWER_MS = 100;
const AIM_MS = 200;
const MiB = 1024 * 1024;

interface Guest {
  readonly name: string;
  readonly pack: PackName;
  readonly calls: number;
}

const GUESTS: readonly Guest[] = [
  { name: 'AssemblyScript', pack: 'calling-as', calls: 1000 },
  { name: 'QuickJS', pack: 'calling-ts', calls: 100 },
];

/**
 * Outbound HTTP calls of one tenant, all at once, to a server that answers after 100 ms: from the guest through its cell and
 * the broker, against undici alone. The first burst, which opens the connections and makes the instances, is not counted.
 */
export const outbound: Row = {
  name: 'outbound',
  about: `outbound calls of ${ANSWER_MS} ms, all at once`,

  async run(tools: RowTools): Promise<Line[]> {
    const lines: Line[] = [];
    for (const guest of GUESTS) lines.push(await measure(tools, guest));
    return lines;
  },
};

async function measure({ workspace, rounds }: RowTools, { name, pack, calls }: Guest): Promise<Line> {
  const built = await workspace.pack(pack);
  const cacheDir = workspace.transpiled;
  const server = new Child<SlowServerProcess>('slow-server');
  const cell = new Child<CellOutboundProcess>('cell-outbound');
  const bare = new Child<BareOutboundProcess>('bare-outbound');
  try {
    const port = await server.call('start', ANSWER_MS);
    await cell.call('start', { pack: built, cacheDir, port });
    const bursts: Burst[] = [];
    const [a, b] = await alternate(
      [
        {
          label: 'through the cell',
          async measure() {
            const burst = await cell.call('burst', calls);
            bursts.push(burst);
            return burst.ms;
          },
        },
        {
          label: 'undici alone',
          measure: () => bare.call('burst', { url: `http://127.0.0.1:${port}/`, calls }),
        },
      ],
      rounds,
    );
    if (a === undefined || b === undefined) throw new Error('a side is missing');
    return pair(
      { name: `${calls} calls, ${name}`, unit: 'ms', aim: { measuredBelow: AIM_MS }, notes: [note(bursts)] },
      a,
      b,
    );
  } finally {
    await Promise.all([cell, bare, server].map((child) => child.stop()));
  }
}

function note(bursts: readonly Burst[]): string {
  const first = bursts[0];
  const last = bursts.at(-1);
  const peak = Math.max(...bursts.map(({ memory }) => memory?.peak ?? Number.NaN));
  if (first?.memory === undefined || last?.memory === undefined) return 'memory: this system does not tell';
  return `the first burst: ${Math.round(first.ms)} ms; the cell host: ${mib(first.memory.before)} before all, ${mib(peak)} at most, ${mib(last.memory.after)} after all`;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MiB)} MiB`;
}
