import { Child } from '../child.ts';
import { alternate } from '../measure.ts';
import type { Evaluation, EvaluationsProcess } from '../process/evaluations.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';

const PAIRS: readonly {
  readonly name: string;
  readonly sides: readonly [label: string, evaluation: Evaluation][];
}[] = [
  {
    name: 'script node',
    sides: [
      ['in the script engine', 'script'],
      ['in a fresh context of quickjs-emscripten', 'quickjs'],
    ],
  },
  {
    name: 'expression',
    sides: [
      ['as a condition of a flow', 'expression'],
      ['in cel-js', 'cel'],
    ],
  },
];

/** Scripts and expressions of flows against the bare libraries, each in a process of its own. */
export const evaluations: Row = {
  name: 'evaluations',
  about: 'scripts and expressions of flows',

  async run({ rounds }: RowTools): Promise<Line[]> {
    const lines: Line[] = [];
    for (const { name, sides } of PAIRS) {
      const children = sides.map(() => new Child<EvaluationsProcess>('evaluations'));
      try {
        for (const [index, [, evaluation]] of sides.entries())
          await children[index]?.call('start', evaluation);
        const [a, b] = await alternate(
          sides.map(([label], index) => ({
            label,
            measure: async (seconds) => (await children[index]?.call('measure', seconds)) ?? Number.NaN,
          })),
          rounds,
        );
        if (a === undefined || b === undefined) throw new Error('a side is missing');
        lines.push(pair({ name, unit: 'us' }, a, b));
      } finally {
        await Promise.all(children.map((child) => child.stop()));
      }
    }
    return lines;
  },
};
