import { join } from 'node:path';
import { Child } from '../child.ts';
import { alternate, type Side } from '../measure.ts';
import { orderBody } from '../payload.ts';
import type { BareIngressProcess } from '../process/bare-ingress.ts';
import type { LoadProcess } from '../process/load.ts';
import type { HostProcess } from '../process/running-host.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';

const CONNECTIONS = 64;
const PATH = '/events/webhook/bench/order.created';

/**
 * A webhook of 1 KB through the AssemblyScript provider to the disk, against fastify that parses the body, makes the same
 * event and publishes it on the same bus. A host also takes each event off the bus again; the second line is against a
 * fastify that does so too.
 */
export const ingress: Row = {
  name: 'ingress',
  about: 'durable webhooks a second',

  async run({ workspace, rounds }: RowTools): Promise<Line[]> {
    const pack = await workspace.pack('packs/events-webhook');
    const bundle = await workspace.bundle({ bench: { providers: { 'events-webhook': { pack } } } });
    const load = new Child<LoadProcess>('load');
    const host = new Child<HostProcess>('running-host');
    const bare = new Child<BareIngressProcess>('bare-ingress');
    const settling = new Child<BareIngressProcess>('bare-ingress');
    try {
      const others = new Map<string, number>();
      const side = (label: string, url: string): Side => ({
        label,
        async measure(seconds) {
          const plan = { url: url + PATH, body: orderBody(), connections: CONNECTIONS, seconds };
          const { acceptedPerSecond, other } = await load.call('run', plan);
          others.set(label, (others.get(label) ?? 0) + other);
          return acceptedPerSecond;
        },
      });
      const busFile = async (): Promise<string> => join(await workspace.newFolder(), 'bus.sqlite');
      const sides = [
        side('host', await host.call('start', bundle)),
        side('fastify', await bare.call('start', { busFile: await busFile(), settles: false })),
        side('settling fastify', await settling.call('start', { busFile: await busFile(), settles: true })),
      ] as const;
      const [a, b, c] = await alternate(sides, rounds);
      if (a === undefined || b === undefined || c === undefined) throw new Error('a side is missing');
      const notes = [
        `${CONNECTIONS} connections, body ${Buffer.byteLength(orderBody())} bytes; not 202: host ${others.get('host')}, fastify ${others.get('fastify')}, settling fastify ${others.get('settling fastify')}`,
      ];
      return [
        pair({ name: 'durable ingress', unit: '/s', aim: { atLeast: 0.8 }, notes }, a, b),
        pair({ name: 'durable ingress, against one that settles', unit: '/s' }, a, c),
      ];
    } finally {
      await Promise.all([load, host, bare, settling].map((child) => child.stop()));
    }
  },
};
