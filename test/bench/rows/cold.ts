import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from '../child.ts';
import { alternate } from '../measure.ts';
import { orderBody } from '../payload.ts';
import type { BareWorkerProcess } from '../process/bare-worker.ts';
import type { HostProcess } from '../process/running-host.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';
import { number } from '../table.ts';
import type { BundleTenant } from '../workspace.ts';

/** With the one that starts the cell host, no more than one cell host holds. */
const COLD_TENANTS = 20;
const QUICK_TENANTS = 3;
/** Tenants wake up seldom: the cell host has made itself a new spare worker by then. */
const PAUSE_MS = 750;

const FLOW = `name: orders
version: "1.0"
nodes:
  - id: total
    type: script
    config:
      script: event.payload.order.total
    next: large
  - id: large
    type: branch
    config:
      conditions:
        - expression: steps.total > 50.0
          next: end
      default: end
triggers:
  - type: event
    event_type: order.created
    target: total
`;

/** The first webhook of a tenant whose cell does not live, to its 202, against starting a worker thread that is empty. */
export const cold: Row = {
  name: 'cold',
  about: 'first event of a cold tenant',

  async run({ workspace, quick }: RowTools): Promise<Line[]> {
    const pack = await workspace.pack('events-webhook');
    const tenant: BundleTenant = { providers: { 'events-webhook': { pack } }, flows: ['orders.ygtc'] };
    const names = Array.from({ length: quick ? QUICK_TENANTS : COLD_TENANTS }, (_, index) => `cold-${index}`);
    const first = 'first';
    const bundle = await workspace.bundle(
      Object.fromEntries([first, ...names].map((name) => [name, tenant])),
    );
    await writeFile(join(bundle, 'orders.ygtc'), FLOW);
    const host = new Child<HostProcess>('running-host');
    const bare = new Child<BareWorkerProcess>('bare-worker');
    try {
      const url = await host.call('start', { bundle });
      // Starts the cell host, and this process's HTTP client.
      const firstMs = await post(url, first);
      const warmMs = await post(url, first);
      const waiting = names.values();
      const [a, b] = await alternate(
        [
          {
            label: 'cold tenant',
            async measure(seconds) {
              await pause(PAUSE_MS);
              // The warm-up goes to the tenant that is warm.
              return post(url, seconds === 0 ? first : (waiting.next().value ?? first));
            },
          },
          { label: 'bare worker', measure: () => bare.call('start', null) },
        ],
        { rounds: names.length, seconds: 1, warmUpSeconds: 0 },
      );
      if (a === undefined || b === undefined) throw new Error('a side is missing');
      const notes = [
        `${names.length} tenants; the first of all, with its cell host: ${number(firstMs)} ms; a warm tenant: ${number(warmMs)} ms`,
      ];
      return [pair({ name: 'first event of a cold tenant', unit: 'ms', aim: { atMost: 1 }, notes }, a, b)];
    } finally {
      await Promise.all([host.stop(), bare.stop()]);
    }
  },
};

/** @returns milliseconds to the 202 */
async function post(url: string, tenant: string): Promise<number> {
  const sentAt = performance.now();
  const response = await fetch(`${url}/events/webhook/${tenant}/order.created`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: orderBody(),
  });
  const ms = performance.now() - sentAt;
  const text = await response.text();
  if (response.status !== 202) throw new Error(`${response.status} ${text}`);
  return ms;
}
