import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEventType, parseTenantId } from '../../../host/event/names.ts';
import { fillBacklog } from '../backlog.ts';
import { type BenchBus, BUS_KINDS, type BusKind, EMBEDDED } from '../bus.ts';
import { LoadedHost } from '../loaded-host.ts';
import { alternate, type MeasuredSide } from '../measure.ts';
import { type Line, pair, type Row, type RowTools, single } from '../row.ts';
import { number } from '../table.ts';

const IN_FLIGHT = 64;
const ACTIVE = 50;
const PACK = 'hook.gtpack';
const FLOW = JSON.stringify({
  name: 'answer',
  version: '1.0',
  nodes: [
    { id: 'order', type: 'transform', config: { value: { order_id: '{{ event.payload.order.id }}' } } },
  ],
  triggers: [{ type: 'event', event_type: 'order.created', target: 'order' }],
});

interface Size {
  readonly known: number;
  readonly active: number;
  readonly backlog: number;
}

/** What grows, step by step. */
interface Axis {
  readonly what: string;
  readonly sizes: readonly (Size & { readonly grown: number })[];
  /** The step that the later ones should be as quick as; -1 where they need not be. */
  readonly base: number;
}

function axes(quick: boolean): Axis[] {
  const known = quick ? [] : [1, 100, 10_000];
  const active = quick ? [2] : [1, 10, 100, 1000];
  const backlog = quick ? [1000] : [0, 10_000, 1_000_000];
  const few = quick ? 2 : ACTIVE;
  return [
    {
      what: 'known tenants',
      sizes: known.map((n) => ({ grown: n, known: n, active: Math.min(n, ACTIVE), backlog: 0 })),
      // One known tenant can have no 50 at work.
      base: 1,
    },
    {
      what: 'active tenants',
      sizes: active.map((n) => ({ grown: n, known: n, active: n, backlog: 0 })),
      base: -1,
    },
    {
      what: 'waiting events',
      sizes: backlog.map((n) => ({ grown: n, known: few, active: few, backlog: n })),
      base: 0,
    },
  ];
}

/** Results a second as what a host knows, works for and has waiting grows. */
export const scale: Row = {
  name: 'scale',
  about: 'events a second as tenants and backlog grow, on each bus',

  async run(tools: RowTools): Promise<Line[]> {
    const lines: Line[] = [];
    for (const kind of tools.quick ? [EMBEDDED] : BUS_KINDS) {
      for (const axis of axes(tools.quick)) lines.push(...(await grow(tools, kind, axis)));
    }
    return lines;
  },
};

async function grow(tools: RowTools, kind: BusKind, { what, sizes, base }: Axis): Promise<Line[]> {
  const lines: Line[] = [];
  let against: MeasuredSide | undefined;
  for (const [step, size] of sizes.entries()) {
    const name = `${size.grown.toLocaleString('en')} ${what}, ${kind.name}`;
    const { side, notes } = await measure(tools, kind, size);
    lines.push(
      against === undefined
        ? single({ name, unit: '/s', notes }, side)
        : pair({ name, unit: '/s', aim: { atLeast: 0.8 }, notes }, side, against),
    );
    if (step === base) against = { ...side, label: `with ${size.grown.toLocaleString('en')}` };
  }
  return lines;
}

async function measure(
  { workspace, rounds }: RowTools,
  kind: BusKind,
  { known, active, backlog }: Size,
): Promise<{ side: MeasuredSide; notes: string[] }> {
  await using bus: BenchBus = await kind.open();
  const pack = await workspace.pack('events-webhook');
  // Beside the bundle under a short name: ten thousand tenants have to go into the one MiB of a bundle's file.
  const tenant = { providers: { 'events-webhook': { pack: PACK } }, flows: ['answer.ygtc'] };
  const names = Array.from({ length: known }, (_, index) => `t${index}`);
  const bundle = await workspace.bundle(Object.fromEntries(names.map((name) => [name, tenant])), bus.keys);
  await copyFile(pack, join(bundle, PACK));
  await writeFile(join(bundle, 'answer.ygtc'), FLOW);
  // Of a tenant that no bundle has any more: they stay where they are.
  const fillMs = await fillBacklog(bundle, parseTenantId('gone'), parseEventType('order.created'), backlog);
  const paths = names.slice(0, active).map((name) => `/events/webhook/${name}/order.created`);
  const startedAt = performance.now();
  const host = await LoadedHost.start({ bundle }, paths.slice(0, ACTIVE));
  try {
    const startMs = performance.now() - startedAt;
    const [side] = await alternate([host.side(`${active} active`, paths, IN_FLIGHT)], rounds);
    if (side === undefined) throw new Error('a side is missing');
    const filled = backlog === 0 ? '' : `; the backlog was filled in ${number(fillMs / 1000)} s`;
    const memory = `${number(await host.residentMiB())} MiB in all processes, started in ${number(startMs / 1000)} s${filled}`;
    return { side, notes: [host.note(side), memory] };
  } finally {
    await host.stop();
  }
}
