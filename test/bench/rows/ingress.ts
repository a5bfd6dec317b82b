import { BUS_KINDS, type BusKind } from '../bus.ts';
import { Child, type Handlers } from '../child.ts';
import { alternate, type Side } from '../measure.ts';
import { orderBody } from '../payload.ts';
import type { BareIngressProcess } from '../process/bare-ingress.ts';
import type { LoadProcess } from '../process/load.ts';
import type { HostProcess } from '../process/running-host.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';

const CONNECTIONS = 64;
const PATH = '/events/webhook/bench/order.created';

/**
 * A webhook of 1 KB through the AssemblyScript provider to the bus, against fastify that parses the body, makes the same
 * event and publishes it on the same bus. A host also takes each event off the bus again; the second line is against a
 * fastify that does so too.
 */
export const ingress: Row = {
  name: 'ingress',
  about: 'durable webhooks a second',

  async run(tools: RowTools): Promise<Line[]> {
    const lines: Line[] = [];
    for (const kind of BUS_KINDS) lines.push(...(await measure(tools, kind)));
    return lines;
  },
};

async function measure({ workspace, rounds }: RowTools, kind: BusKind): Promise<Line[]> {
  const pack = await workspace.pack('events-webhook');
  await using opened = new AsyncDisposableStack();
  const bundle = async (): Promise<string> => {
    const bus = opened.use(await kind.open());
    return workspace.bundle({ bench: { providers: { 'events-webhook': { pack } } } }, bus.keys);
  };
  const child = <H extends Handlers>(name: string): Child<H> => {
    const started = new Child<H>(name);
    opened.defer(() => started.stop());
    return started;
  };
  const load = child<LoadProcess>('load');
  const host = child<HostProcess>('running-host');
  const bare = child<BareIngressProcess>('bare-ingress');
  const settling = child<BareIngressProcess>('bare-ingress');
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
  const sides = [
    side('host', await host.call('start', { bundle: await bundle() })),
    side('fastify', await bare.call('start', { bundle: await bundle(), settles: false })),
    side('settling fastify', await settling.call('start', { bundle: await bundle(), settles: true })),
  ] as const;
  const [a, b, c] = await alternate(sides, rounds);
  if (a === undefined || b === undefined || c === undefined) throw new Error('a side is missing');
  const notes = [
    `${CONNECTIONS} connections, body ${Buffer.byteLength(orderBody())} bytes; not 202: host ${others.get('host')}, fastify ${others.get('fastify')}, settling fastify ${others.get('settling fastify')}`,
  ];
  const name = `durable ingress, ${kind.name}`;
  return [
    pair({ name, unit: '/s', aim: { atLeast: 0.8 }, notes }, a, b),
    pair({ name: `${name}, against one that settles`, unit: '/s' }, a, c),
  ];
}
