import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { LoadedHost } from '../loaded-host.ts';
import { alternate } from '../measure.ts';
import { type Line, type Row, type RowTools, single } from '../row.ts';
import { repository } from '../workspace.ts';

const PATH = '/events/webhook/demo/order.created';
const IN_FLIGHT = 64;
/** Far below what any machine does. */
const MODEST_RATE = 200;

/** A flow with a script and a branch: from the request sent to its result on the bus. */
export const result: Row = {
  name: 'result',
  about: 'webhook to result through a flow of orders',

  async run({ workspace, rounds }: RowTools): Promise<Line[]> {
    const providers = {
      'events-webhook': { pack: await workspace.pack('events-webhook') },
      'events-timer': { pack: await workspace.pack('events-timer') },
    };
    const bundle = await workspace.bundle({ demo: { providers, flows: ['flows/on_event.ygtc'] } });
    const source = join(repository, 'test/bench/fixture/flow-of-orders');
    await cp(join(source, 'on_event.ygtc'), join(bundle, 'flows/on_event.ygtc'));
    await cp(join(source, 'process_payload.js'), join(bundle, 'scripts/process_payload.js'));
    const host = await LoadedHost.start({ bundle }, [PATH]);
    try {
      const lines: Line[] = [];
      for (const side of [
        host.side(`${IN_FLIGHT} in flight, closed loop`, [PATH], IN_FLIGHT),
        host.side(`at ${MODEST_RATE} a second`, [PATH], IN_FLIGHT, MODEST_RATE),
      ]) {
        const [measured] = await alternate([side], rounds);
        if (measured === undefined) throw new Error('a side is missing');
        lines.push(single({ name: 'webhook to result', unit: '/s', notes: [host.note(measured)] }, measured));
      }
      return lines;
    } finally {
      await host.stop();
    }
  },
};
