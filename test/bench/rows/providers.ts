import type { PackName } from '../../system/packs.ts';
import { Child } from '../child.ts';
import type { GuestJob } from '../guest-jobs.ts';
import { alternate, summarize } from '../measure.ts';
import type { CellCallsProcess } from '../process/cell-calls.ts';
import type { DirectCallsProcess } from '../process/direct-calls.ts';
import { type Line, pair, type Row, type RowTools } from '../row.ts';
import { number } from '../table.ts';

const IN_FLIGHT = 64;

interface Provider {
  readonly name: PackName;
  readonly what: string;
  readonly job: GuestJob;
  /** As a bundle writes them: what the pack cannot do without. */
  readonly grants?: unknown;
}

const PROVIDERS: readonly Provider[] = [
  { name: 'events-webhook', what: 'a webhook of 1 KB', job: 'ingest' },
  { name: 'events-timer', what: 'a tick', job: 'tick' },
  {
    name: 'events-email-sendgrid',
    what: 'four events of emails',
    job: 'mail events',
    grants: { sendgrid: { key: 'KEY', from: ['shop@example.com'], to: ['*'] } },
  },
  {
    name: 'events-sms-twilio',
    what: 'an inbound SMS',
    job: 'sms',
    grants: {
      twilio: { account: `AC${'0'.repeat(32)}`, auth_token: 'TOKEN', from: ['+15005550006'], to: ['*'] },
    },
  },
];

/** What comes in through each of our own packs, in its cell, against the same guest and the same events made in one thread. */
export const providers: Row = {
  name: 'providers',
  about: 'what comes in, by each of our own packs through the cell',

  async run(tools: RowTools): Promise<Line[]> {
    const lines: Line[] = [];
    for (const provider of PROVIDERS) lines.push(await measure(tools, provider));
    return lines;
  },
};

async function measure(
  { workspace, rounds }: RowTools,
  { name, what, job, grants }: Provider,
): Promise<Line> {
  const pack = await workspace.pack(name);
  const cacheDir = workspace.transpiled;
  await using opened = new AsyncDisposableStack();
  const cell = new Child<CellCallsProcess>('cell-calls');
  opened.defer(() => cell.stop());
  const direct = new Child<DirectCallsProcess>('direct-calls');
  opened.defer(() => direct.stop());
  await cell.call('start', { pack, cacheDir, call: job, grants });
  await direct.call('start', { pack, cacheDir, call: 'ingest-normalized', job, grants });
  const p99s: number[] = [];
  const [a, b] = await alternate(
    [
      {
        label: `through the cell, ${IN_FLIGHT} in flight`,
        async measure(seconds) {
          const { usPerCall, p99Us } = await cell.call('measure', { seconds, inFlight: IN_FLIGHT });
          p99s.push(p99Us);
          return 1_000_000 / usPerCall;
        },
      },
      {
        label: 'called directly and normalized in the same thread',
        measure: async (seconds) => 1_000_000 / (await direct.call('measure', seconds)),
      },
    ],
    rounds,
  );
  if (a === undefined || b === undefined) throw new Error('a side is missing');
  const p99 = summarize(p99s.slice(-a.values.length));
  const { p50Us, p99Us } = await cell.call('latency', rounds.seconds);
  const notes = [
    `${what}: p99 ${number(p99.median)} us (${number(p99.min)} to ${number(p99.max)}); one at a time: p50 ${number(p50Us)} us, p99 ${number(p99Us)} us`,
  ];
  return pair({ name, unit: '/s', notes }, a, b);
}
