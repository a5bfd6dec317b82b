import { Child } from '../child.ts';
import { extismEcho } from '../extism-echo.ts';
import { alternate } from '../measure.ts';
import type { CellCallsProcess } from '../process/cell-calls.ts';
import type { ExtismCallsProcess } from '../process/extism-calls.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';

const IN_FLIGHT = 64;

/** The same JSON text into an AssemblyScript guest and out of it again, through the cell and through Extism's workers. */
export const extism: Row = {
  name: 'extism',
  about: "plugin calls through the cell against Extism's workers",

  async run({ workspace, rounds }: RowTools): Promise<Line[]> {
    const pack = await workspace.pack('echo-as');
    const cacheDir = workspace.transpiled;
    const cell = new Child<CellCallsProcess>('cell-calls');
    // Extism loads Node's WASI for plugins without it, too, and each worker warns of it.
    const other = new Child<ExtismCallsProcess>('extism-calls', ['--disable-warning=ExperimentalWarning']);
    try {
      await cell.call('start', { pack, cacheDir, call: 'echo' });
      const workers = await other.call('start', await extismEcho());
      const [a, b] = await alternate(
        [
          {
            label: 'through the cell',
            measure: async (seconds) =>
              1_000_000 / (await cell.call('measure', { seconds, inFlight: IN_FLIGHT })).usPerCall,
          },
          {
            label: `through Extism, ${workers} workers`,
            measure: (seconds) => other.call('measure', { seconds, inFlight: IN_FLIGHT }),
          },
        ],
        rounds,
      );
      if (a === undefined || b === undefined) throw new Error('a side is missing');
      const notes = [
        `${IN_FLIGHT} in flight; Extism's guest copies bytes, the cell's makes a string and a reply of them`,
      ];
      return [pair({ name: 'AssemblyScript echo', unit: '/s', aim: { atLeast: 5 }, notes }, a, b)];
    } finally {
      await Promise.all([cell.stop(), other.stop()]);
    }
  },
};
