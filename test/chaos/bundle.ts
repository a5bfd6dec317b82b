import { type BundleParts, type FlowNodeText, flowOf, packPath, scriptFlow } from '../system/bundle.ts';
import { SPINNING_FLOWS, TENANTS } from './round.ts';

/** A script that asks nobody whether it should stop, so that its cell is ended. */
const DEAF_LOOP = 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)';

/** Three effects with work between them and after them, so that a run can be cut off anywhere. */
const paying = (origin: string): string => {
  const effect = (id: string, next: string): FlowNodeText => {
    const url = `${origin}/${id}/{{ event.payload.n }}`;
    return { id, type: 'http', config: { url, method: 'POST' }, next };
  };
  const work = 'let n = 0; while (n < 20000) n += 1; event.payload.n';
  return flowOf(
    'pay',
    [
      effect('reserve', 'work'),
      { id: 'work', type: 'script', config: { script: work }, next: 'charge' },
      effect('charge', 'receipt'),
      effect('receipt', 'book'),
      { id: 'book', type: 'script', config: { script: 'steps.work' } },
    ],
    'order.paid',
  );
};

/** A tenant of its own whose flows each run every second. */
export const CLOCK = 'clock';
export const clockFlow = (n: number): string => `tick-${n}`;

export interface ChaosBundleOptions {
  /** `bus` of the bundle. */
  readonly bus: object | undefined;
  /** Flows of the tenant `clock`; there is none without. */
  readonly clocks?: number;
}

/** Three tenants that pay at the vendor, and that have flows which never end. */
export function chaosBundle(origin: string, { bus, clocks = 0 }: ChaosBundleOptions): BundleParts {
  const files: Record<string, string> = { 'flows/pay.ygtc': paying(origin) };
  for (let n = 0; n < SPINNING_FLOWS; n += 1)
    files[`flows/spin-${n}.ygtc`] = scriptFlow(`spin-${n}`, DEAF_LOOP, `order.spun.${n}`);
  const tenant = {
    providers: { 'events-webhook': { pack: packPath('events-webhook') } },
    flows: Object.keys(files),
    grants: { http: { hosts: [origin], methods: ['POST'], networks: ['127.0.0.0/8'] } },
  };
  const ticking = Array.from({ length: clocks }, (_, n) => `flows/${clockFlow(n)}.ygtc`);
  for (const [n, path] of ticking.entries()) files[path] = ticker(clockFlow(n));
  const clock = {
    providers: { 'events-timer': { pack: packPath('events-timer') } },
    flows: ticking,
  };
  const yaml = JSON.stringify({
    ...(bus === undefined ? {} : { bus }),
    http: { listen: '127.0.0.1:0' },
    tenants: {
      ...Object.fromEntries(TENANTS.map((name) => [name, tenant])),
      ...(clocks === 0 ? {} : { [CLOCK]: clock }),
    },
  });
  return { yaml, files, packs: clocks === 0 ? ['events-webhook'] : ['events-webhook', 'events-timer'] };
}

function ticker(name: string): string {
  const nodes = [{ id: 'only', type: 'transform', config: { value: 1 } }];
  const trigger = { type: 'timer', cron: '* * * * * *', timezone: 'UTC', catch_up: 'all', overlap: 'queue' };
  return JSON.stringify({ name, version: '1.0', nodes, triggers: [{ ...trigger, target: 'only' }] });
}
