import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BUS_KINDS, type BusKind, EMBEDDED } from '../bus.ts';
import { Child } from '../child.ts';
import { LoadedHost } from '../loaded-host.ts';
import { alternate, type MeasuredSide } from '../measure.ts';
import type { SlowServerProcess } from '../process/slow-server.ts';
import { type Line, pair, type Row, type RowTools, single } from '../row.ts';

const PATH = '/events/webhook/shop/order.created';
const IN_FLIGHT = 64;

/** A branch, a script, and so many HTTP effects one after the other. */
function flow(effects: number, origin: string): string {
  const names = Array.from({ length: effects }, (_, index) => `tell_${index + 1}`);
  const nodes = names.map((name, index) => ({
    id: name,
    type: 'http',
    config: { method: 'GET', url: `${origin}/orders/{{ steps.shape.order_id }}` },
    next: names[index + 1] ?? 'done',
  }));
  return JSON.stringify({
    name: 'delivery',
    version: '1.0',
    nodes: [
      {
        id: 'choose',
        type: 'branch',
        config: {
          conditions: [{ expression: 'event.payload.order.total > 50.0', next: 'shape' }],
          default: 'end',
        },
      },
      {
        id: 'shape',
        type: 'script',
        config: { script: '({ order_id: event.payload.order.id, total: event.payload.order.total })' },
        next: names[0],
      },
      ...nodes,
      { id: 'done', type: 'transform', config: { value: '{{ steps.shape }}' } },
    ],
    triggers: [{ type: 'event', event_type: 'order.created', target: 'choose' }],
  });
}

/**
 * Webhook, provider, bus, flow with HTTP effects, result: once as it is, with every effect recorded before the run goes on,
 * and once without those records, for the difference.
 */
export const delivery: Row = {
  name: 'delivery',
  about: 'webhook to result through a flow with recorded HTTP effects, on each bus',

  async run(tools: RowTools): Promise<Line[]> {
    const lines: Line[] = [];
    for (const kind of tools.quick ? [EMBEDDED] : BUS_KINDS) {
      lines.push(...(await measure(tools, kind, 1, 2500)), ...(await measure(tools, kind, 3, 1000)));
    }
    return lines;
  },
};

async function measure(
  { workspace, rounds }: RowTools,
  kind: BusKind,
  effects: number,
  aim: number,
): Promise<Line[]> {
  const vendor = new Child<SlowServerProcess>('slow-server');
  const pack = await workspace.pack('events-webhook');
  const origin = `http://127.0.0.1:${await vendor.call('start', 0)}`;
  await using opened = new AsyncDisposableStack();
  opened.defer(() => vendor.stop());
  const start = async (journal: boolean): Promise<LoadedHost> => {
    const bus = opened.use(await kind.open());
    const shop = {
      providers: { 'events-webhook': { pack } },
      flows: ['delivery.ygtc'],
      grants: { http: { hosts: [origin], networks: ['127.0.0.0/8'] } },
    };
    const bundle = await workspace.bundle({ shop }, bus.keys);
    await writeFile(join(bundle, 'delivery.ygtc'), flow(effects, origin));
    const host = await LoadedHost.start({ bundle, journal }, [PATH]);
    opened.defer(() => host.stop());
    return host;
  };
  const [recorded, bare] = [await start(true), await start(false)];
  const sides = [
    recorded.side('recorded', [PATH], IN_FLIGHT),
    bare.side('nothing recorded', [PATH], IN_FLIGHT),
  ];
  const [a, b] = (await alternate(sides, rounds)) as [MeasuredSide, MeasuredSide];
  const name = `${effects === 1 ? 'one HTTP effect' : `${effects} HTTP effects`} a run, ${kind.name}`;
  return [
    single({ name, unit: '/s', aim: { measuredAtLeast: aim }, notes: [recorded.note(a)] }, a),
    pair({ name: `${name}, without a journal`, unit: '/s' }, a, b),
  ];
}
