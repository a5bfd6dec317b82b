import { Child } from '../child.ts';
import { alternate } from '../measure.ts';
import type { CellRunsProcess } from '../process/cell-runs.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';

const IN_FLIGHT = 64;
const NODES = 10;

/** What its nodes are, in turn. */
type Kind = 'transform' | 'script';

function flow(kind: Kind, count: number): string {
  const nodes = Array.from({ length: count }, (_, index) => ({
    id: `node_${index + 1}`,
    type: kind,
    config:
      kind === 'transform'
        ? { value: { order_id: '{{ event.payload.order.id }}', node: index } }
        : { script: `({ order_id: event.payload.order.id, node: ${index} })` },
    ...(index + 1 < count ? { next: `node_${index + 2}` } : {}),
  }));
  const triggers = [{ type: 'event', event_type: 'order.created', target: 'node_1' }];
  return JSON.stringify({ name: 'bench', version: '1.0', nodes, triggers });
}

/** A run of ten nodes in the cell against one of one node: what each further node costs beside what a run costs anyway. */
export const runs: Row = {
  name: 'runs',
  about: 'a run of ten nodes against one of one node',

  async run({ rounds }: RowTools): Promise<Line[]> {
    const lines: Line[] = [];
    for (const kind of ['transform', 'script'] as const) {
      await using opened = new AsyncDisposableStack();
      const side = async (label: string, count: number) => {
        const child = new Child<CellRunsProcess>('cell-runs');
        opened.defer(() => child.stop());
        await child.call('start', { flow: flow(kind, count) });
        return {
          label,
          measure: (seconds: number) => child.call('measure', { seconds, inFlight: IN_FLIGHT }),
        };
      };
      const [a, b] = await alternate(
        [await side(`of ${NODES} nodes`, NODES), await side('of one node', 1)],
        rounds,
      );
      if (a === undefined || b === undefined) throw new Error('a side is missing');
      const notes = [`${IN_FLIGHT} in flight, an event of 1 KB, no effects`];
      lines.push(pair({ name: `run of ${kind} nodes`, unit: 'us', notes }, a, b));
    }
    return lines;
  },
};
