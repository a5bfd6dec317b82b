import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { headersOf } from '../../fakes/senders.ts';
import { Child } from '../child.ts';
import { alternate, type Rounds, type Side } from '../measure.ts';
import { orderBody } from '../payload.ts';
import type { LoadProcess } from '../process/load.ts';
import type { HostProcess } from '../process/running-host.ts';
import type { CheckedScheme, SignatureChecksProcess } from '../process/signature-checks.ts';
import { type Line, pair, type Row, type RowTools, single } from '../row.ts';

const CONNECTIONS = 64;
const PATH = '/events/webhook/bench/order.created';
const SECRET = 'a-secret-of-32-characters-012345';

const SCHEMES: readonly CheckedScheme[] = [
  'github',
  'stripe',
  'slack',
  'shopify',
  'standard-webhooks',
  'twilio',
  'sendgrid',
];

/** Checks of signatures by scheme, and what one costs a webhook on its way to the bus. */
export const signatures: Row = {
  name: 'signatures',
  about: 'checks of signatures, and a signed webhook',

  async run(tools: RowTools): Promise<Line[]> {
    return [...(await checks(tools)), await signedWebhook(tools)];
  },
};

async function checks({ rounds }: RowTools): Promise<Line[]> {
  const child = new Child<SignatureChecksProcess>('signature-checks');
  try {
    const lines: Line[] = [];
    for (const scheme of SCHEMES) lines.push(await checksOf(scheme, child, rounds));
    return lines;
  } finally {
    await child.stop();
  }
}

async function checksOf(
  scheme: CheckedScheme,
  child: Child<SignatureChecksProcess>,
  rounds: Rounds,
): Promise<Line> {
  await child.call('start', scheme);
  const label = `checked, body ${scheme === 'twilio' ? 'a small form' : `${Buffer.byteLength(orderBody())} bytes`}`;
  const [side] = await alternate([{ label, measure: (seconds) => child.call('measure', seconds) }], rounds);
  if (side === undefined) throw new Error('a side is missing');
  return single({ name: `signature, ${scheme}`, unit: '/s' }, side);
}

/** The same body to two hosts; one of them checks GitHub's signature of it first. */
async function signedWebhook({ workspace, rounds }: RowTools): Promise<Line> {
  const pack = await workspace.pack('events-webhook');
  await using opened = new AsyncDisposableStack();
  const bundle = async (signed: boolean): Promise<string> => {
    const provider = { pack, ...(signed ? { signatures: { github: { secret: 'HOOK' } } } : {}) };
    const secrets = signed ? { secrets: { HOOK: 'file:hook.txt' } } : {};
    const folder = await workspace.bundle({
      bench: { ...secrets, providers: { 'events-webhook': provider } },
    });
    await writeFile(join(folder, 'hook.txt'), SECRET, { mode: 0o600 });
    return folder;
  };
  const load = new Child<LoadProcess>('load');
  opened.defer(() => load.stop());
  const body = orderBody();
  const headers = headersOf('github', body, SECRET, { event: 'push' });
  let other = 0;
  const side = async (label: string, signed: boolean): Promise<Side> => {
    const host = new Child<HostProcess>('running-host');
    opened.defer(() => host.stop());
    const url = (await host.call('start', { bundle: await bundle(signed) })) + PATH;
    return {
      label,
      async measure(seconds) {
        const outcome = await load.call('run', { url, body, headers, connections: CONNECTIONS, seconds });
        other += outcome.other;
        return outcome.acceptedPerSecond;
      },
    };
  };
  const [a, b] = await alternate(
    [await side('signed by GitHub', true), await side('not checked', false)],
    rounds,
  );
  if (a === undefined || b === undefined) throw new Error('a side is missing');
  const notes = [`${CONNECTIONS} connections, the same headers and body to both; not 202: ${other}`];
  return pair({ name: 'signed webhook to durable', unit: '/s', notes }, a, b);
}
