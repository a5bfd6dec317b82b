import type { PackName } from '../../system/packs.ts';
import { Child } from '../child.ts';
import { alternate, type MeasuredSide, type Side } from '../measure.ts';
import type { CellCallsProcess } from '../process/cell-calls.ts';
import type { DirectCall, DirectCallsProcess } from '../process/direct-calls.ts';
import { type Aim, type Line, pair, type Row, type RowTools } from '../row.ts';
import { number } from '../table.ts';

const IN_FLIGHT = 64;

interface Guest {
  readonly name: string;
  /** The pack that echoes, and the one that ingests. */
  readonly packs: Readonly<Record<'echo' | 'ingest', PackName>>;
  readonly aim: Aim;
  /** Ways of ingesting without a cell. */
  readonly ingests: readonly Exclude<DirectCall, 'echo'>[];
}

const GUESTS: readonly Guest[] = [
  {
    name: 'AssemblyScript',
    packs: { echo: 'echo-as', ingest: 'events-webhook' },
    aim: { atMost: 2.5 },
    ingests: ['ingest', 'ingest-loader', 'ingest-normalized'],
  },
  {
    name: 'QuickJS',
    packs: { echo: 'echo-ts', ingest: 'echo-ts' },
    aim: { atMost: 1.5 },
    ingests: ['ingest', 'ingest-normalized'],
  },
];

const LABELS: Readonly<Record<DirectCall, string>> = {
  echo: 'called directly',
  ingest: 'called directly, text in, text out',
  'ingest-loader': "through AssemblyScript's loader, text in, text out",
  'ingest-normalized': 'called directly and normalized in the same thread',
};

/**
 * Calls of a guest through its cell, 64 in flight, against calls of the same guest in one thread. `invoke echo` is a call
 * and no more; `ingest` in a cell also makes the request a text, and bounds, parses and normalizes the outcome.
 */
export const calls: Row = {
  name: 'calls',
  about: 'plugin calls through the cell',

  async run(tools: RowTools): Promise<Line[]> {
    const lines: Line[] = [];
    for (const guest of GUESTS) {
      const [cell, [direct], note] = await measure(tools, guest.packs.echo, 'echo', ['echo']);
      if (direct !== undefined)
        lines.push(
          pair(
            { name: `${guest.name} invoke echo`, unit: 'us', aim: guest.aim, notes: [note] },
            cell,
            direct,
          ),
        );
    }
    for (const guest of GUESTS) {
      const [cell, directs, note] = await measure(tools, guest.packs.ingest, 'ingest', guest.ingests);
      for (const [index, direct] of directs.entries()) {
        const words = { name: `${guest.name} ingest`, unit: 'us', notes: index === 0 ? [note] : [] };
        lines.push(pair(words, cell, direct));
      }
    }
    return lines;
  },
};

async function measure(
  { workspace, rounds }: RowTools,
  source: PackName,
  call: 'echo' | 'ingest',
  directCalls: readonly DirectCall[],
): Promise<[cell: MeasuredSide, directs: readonly MeasuredSide[], note: string]> {
  const pack = await workspace.pack(source);
  const cacheDir = workspace.transpiled;
  const cell = new Child<CellCallsProcess>('cell-calls');
  const directs = directCalls.map((direct) => ({
    call: direct,
    child: new Child<DirectCallsProcess>('direct-calls'),
  }));
  try {
    await cell.call('start', { pack, cacheDir, call });
    for (const direct of directs) await direct.child.call('start', { pack, cacheDir, call: direct.call });
    const sides: Side[] = directs.map(({ call: name, child }) => ({
      label: LABELS[name],
      measure: (seconds) => child.call('measure', seconds),
    }));
    const [through, ...others] = await alternate(
      [
        {
          label: `through the cell, ${IN_FLIGHT} in flight`,
          measure: async (seconds) =>
            (await cell.call('measure', { seconds, inFlight: IN_FLIGHT })).usPerCall,
        },
        ...sides,
      ],
      rounds,
    );
    if (through === undefined) throw new Error('a side is missing');
    const { p50Us, p99Us } = await cell.call('latency', rounds.seconds);
    return [
      through,
      others,
      `one at a time through the cell: p50 ${number(p50Us)} us, p99 ${number(p99Us)} us`,
    ];
  } finally {
    await Promise.all([cell, ...directs.map(({ child }) => child)].map((child) => child.stop()));
  }
}
