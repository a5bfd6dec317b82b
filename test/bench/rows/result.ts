import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { alternate, type MeasuredSide, summarize } from '../measure.ts';
import type { ClosedLoopProcess, LoopOutcome, LoopResult } from '../process/closed-loop.ts';
import type { HostProcess, SeenResult, SeenResults } from '../process/running-host.ts';
import { type Line, type Row, type RowTools, single } from '../row.ts';
import { number } from '../table.ts';
import { repository } from '../workspace.ts';

const PATH = '/events/webhook/demo/order.created';
const IN_FLIGHT = 64;
/** Far below what any machine does. */
const MODEST_RATE = 200;

/** The demo's flow, script and branch: from the request sent to its result on the bus. */
export const result: Row = {
  name: 'result',
  about: 'webhook to result through the flow of the demo',

  async run({ workspace, rounds }: RowTools): Promise<Line[]> {
    const providers = {
      'events-webhook': { pack: await workspace.pack('packs/events-webhook') },
      'events-timer': { pack: await workspace.pack('packs/events-timer') },
    };
    const bundle = await workspace.bundle({ demo: { providers, flows: ['flows/on_event.ygtc'] } });
    for (const folder of ['flows', 'scripts']) {
      await cp(join(repository, 'bundles/demo', folder), join(bundle, folder), { recursive: true });
    }
    const host = new Child<HostProcess>('running-host');
    const load = new Child<ClosedLoopProcess>('closed-loop');
    try {
      const url = await host.call('start', bundle);
      let failed = 0;
      host.onNote = (note) => {
        const { outputs, atNs } = note as SeenResults;
        failed += outputs.filter(({ status }) => status !== 'ok').length;
        const seen = outputs.map((output): LoopResult => ({ order: orderOf(output), atNs }));
        // Answered when the loop took them; nothing waits for it.
        load.call('results', seen).catch(() => undefined);
      };
      await host.call('watchResults', null);
      // Opens the cell.
      await fetch(url + PATH, { method: 'POST', body: '{}' });

      const outcomes: { closed: LoopOutcome[]; paced: LoopOutcome[] } = { closed: [], paced: [] };
      const plan = { url, path: PATH, inFlight: IN_FLIGHT };
      const [closed, paced] = await alternate(
        [
          {
            label: `${IN_FLIGHT} in flight, closed loop`,
            async measure(seconds) {
              const outcome = await load.call('run', { ...plan, seconds });
              outcomes.closed.push(outcome);
              return outcome.perSecond;
            },
          },
          {
            label: `at ${MODEST_RATE} a second`,
            async measure(seconds) {
              const outcome = await load.call('run', { ...plan, seconds, rate: MODEST_RATE });
              outcomes.paced.push(outcome);
              return outcome.perSecond;
            },
          },
        ],
        rounds,
      );
      const lines: Line[] = [];
      const add = (side: MeasuredSide | undefined, of: LoopOutcome[], extra: string): void => {
        if (side === undefined) return;
        const notes = [`${latencies(of.slice(-rounds.rounds))}${extra}`];
        lines.push(single({ name: 'webhook to result', unit: '/s', notes }, side));
      };
      const other = [...outcomes.closed, ...outcomes.paced].reduce((sum, outcome) => sum + outcome.other, 0);
      add(closed, outcomes.closed, `; not 202: ${other}, failed runs: ${failed}`);
      add(paced, outcomes.paced, '');
      return lines;
    } finally {
      await Promise.all([host.stop(), load.stop()]);
    }
  },
};

/** The demo's flow gives back the order's number; ticks give another shape. */
function orderOf({ output }: SeenResult): number {
  const order = (output as { order_id?: unknown } | null)?.order_id;
  return typeof order === 'number' ? order : -1;
}

function latencies(outcomes: readonly LoopOutcome[]): string {
  const p50 = summarize(outcomes.map(({ p50Ms }) => p50Ms));
  const p99 = summarize(outcomes.map(({ p99Ms }) => p99Ms));
  return `request sent to result seen: p50 ${number(p50.median)} ms, p99 ${number(p99.median)} ms (${number(p99.min)} to ${number(p99.max)})`;
}
