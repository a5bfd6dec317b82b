import { type BundleParts, flowOf, packPath, scriptFlow } from '../system/bundle.ts';
import { SPINNING_FLOWS, TENANTS } from './round.ts';

/** A script that asks nobody whether it should stop, so that its cell is ended. */
const DEAF_LOOP = 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)';

/** Two effects with work between them and after them, so that a run can be cut off anywhere. */
const paying = (origin: string): string =>
  flowOf(
    'pay',
    [
      {
        id: 'reserve',
        type: 'http',
        config: { url: `${origin}/reserve/{{ event.payload.n }}`, method: 'POST' },
        next: 'work',
      },
      {
        id: 'work',
        type: 'script',
        config: { script: 'let n = 0; while (n < 20000) n += 1; event.payload.n' },
        next: 'charge',
      },
      {
        id: 'charge',
        type: 'http',
        config: { url: `${origin}/charge/{{ steps.work }}`, method: 'POST' },
        next: 'book',
      },
      { id: 'book', type: 'script', config: { script: 'event.payload.n' } },
    ],
    'order.paid',
  );

/** Three tenants that pay at the vendor, and that have flows which never end. */
export function chaosBundle(origin: string, bus: object | undefined): BundleParts {
  const files: Record<string, string> = { 'flows/pay.ygtc': paying(origin) };
  for (let n = 0; n < SPINNING_FLOWS; n += 1)
    files[`flows/spin-${n}.ygtc`] = scriptFlow(`spin-${n}`, DEAF_LOOP, `order.spun.${n}`);
  const tenant = {
    providers: { 'events-webhook': { pack: packPath('events-webhook') } },
    flows: Object.keys(files),
    grants: { http: { hosts: [origin], methods: ['POST'], networks: ['127.0.0.0/8'] } },
  };
  const yaml = JSON.stringify({
    ...(bus === undefined ? {} : { bus }),
    http: { listen: '127.0.0.1:0' },
    tenants: Object.fromEntries(TENANTS.map((name) => [name, tenant])),
  });
  return { yaml, files };
}
