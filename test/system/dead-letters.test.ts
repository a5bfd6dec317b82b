import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openControl } from '../../host/control/control.ts';
import { type Done, runToEnd } from '../cli/desk.ts';
import { flowOf, writeBundle } from './bundle.ts';
import { type HostHere, startHere } from './host-here.ts';
import { post, webhook } from './request.ts';

let vendor: Server;
let origin: string;
let charged: string[];
beforeEach(async () => {
  charged = [];
  vendor = createServer((request, response) => {
    charged.push(`${request.method} ${request.url}`);
    response.setHeader('content-type', 'application/json');
    response.end('{"charge":7}');
  });
  await new Promise<void>((resolve) => vendor.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`;
});
afterEach(async () => {
  vendor.closeAllConnections();
  await new Promise((resolve) => vendor.close(resolve));
});

/** Charges, and then works on the answer with a script. */
const paying = (script: string): string =>
  flowOf(
    'paying',
    [
      { id: 'charge', type: 'http', config: { url: `${origin}/charge`, method: 'POST' }, next: 'book' },
      { id: 'book', type: 'script', config: { script } },
    ],
    'order.paid',
  );
const BROKEN = 'throw new Error("no book")';
const MENDED = '({ booked: input.body.charge })';
/** Tells the vendor of every dead letter; fails on those of its own kind. */
const watching = (): string =>
  flowOf(
    'watching',
    [
      {
        id: 'tell',
        type: 'http',
        config: { url: `${origin}/alerts/{{ event.payload.flow }}`, method: 'POST' },
      },
    ],
    'host.dead_letter',
  );

async function bundle(): Promise<string> {
  const grants = { http: { hosts: [origin], methods: ['POST'], networks: ['127.0.0.0/8'] } };
  return await writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0' },
      tenants: {
        demo: {
          providers: { 'events-webhook': { pack: 'providers/events/events-webhook.gtpack' } },
          flows: ['flows/paying.ygtc', 'flows/watching.ygtc'],
          grants,
        },
      },
    }),
    files: { 'flows/paying.ygtc': paying(BROKEN), 'flows/watching.ygtc': watching() },
    packs: ['events-webhook'],
  });
}

/** The commands of an operator beside a host of this process. */
async function beside(
  folder: string,
  { host }: HostHere,
  work: (run: Command) => Promise<void>,
): Promise<void> {
  const control = await openControl(folder, host.control);
  try {
    await work((...words) => runToEnd(words, { cwd: folder }));
  } finally {
    await control.close();
  }
}
type Command = (...words: readonly string[]) => Promise<Done>;

describe('an event whose flow fails after an effect', () => {
  test('is buried, told of, listed, shown, mended and replayed, and its recorded effects are not repeated', async () => {
    const folder = await bundle();
    const first = await startHere(folder);
    const { json } = await post(webhook(first.url, 'demo', 'order.paid'), { order: 1 });
    await first.bus.deadLetter(json.id);
    const alert = await first.bus.until((seen) =>
      seen.find(({ kind, type }) => kind === 'event' && type === 'host.dead_letter'),
    );
    expect(alert.json.payload).toMatchObject({
      id: json.id,
      type: 'order.paid',
      reason: expect.stringContaining('no book'),
      attempts: 1,
      flow: 'paying',
    });
    await first.bus.result(alert.json.id);
    expect(charged).toEqual(['POST /charge', 'POST /alerts/paying']);
    await beside(folder, first, async (run) => {
      const { dead_letters } = JSON.parse((await run('dlq', 'list', '--json')).out);
      expect(dead_letters).toMatchObject([{ tenant: 'demo', id: json.id, type: 'order.paid', attempts: 1 }]);
      const shown = JSON.parse((await run('dlq', 'show', json.id, '--json')).out);
      expect(shown.event.payload).toEqual({ order: 1 });
      expect(shown.runs[0].journal).toMatchObject([{ node: 'charge', status: 'ok' }, { node: 'book' }]);
      const { runs } = JSON.parse((await run('runs', 'list', '--json', '--status', 'error')).out);
      expect(runs).toMatchObject([{ event_id: json.id, flow: 'paying', tenant: 'demo' }]);
      const run1 = JSON.parse((await run('runs', 'show', runs[0].run_id, '--json')).out);
      expect(run1.result).toMatchObject({ status: 'error', event_id: json.id });
    });
    await first.stop();

    await writeFile(join(folder, 'flows', 'paying.ygtc'), paying(MENDED));
    const second = await startHere(folder);
    await beside(folder, second, async (run) => {
      const { status, out } = await run('dlq', 'replay', '--all');
      expect([status, out]).toEqual([
        0,
        expect.stringContaining('1 event replayed.\nThe flow paying of demo has changed'),
      ]);
      expect((await second.bus.result(json.id)).json).toMatchObject({ status: 'ok', output: { booked: 7 } });
      expect(charged).toEqual(['POST /charge', 'POST /alerts/paying']);
      expect(JSON.parse((await run('dlq', 'list', '--json')).out).dead_letters).toEqual([]);
    });
  });

  test('is replayed at the next start, too, where it was replayed while no host ran', async () => {
    const folder = await bundle();
    const first = await startHere(folder);
    const { json } = await post(webhook(first.url, 'demo', 'order.paid'), {});
    await first.bus.deadLetter(json.id);
    const alert = await first.bus.until((seen) => seen.find(({ type }) => type === 'host.dead_letter'));
    await first.bus.result(alert.json.id);
    await first.stop();
    await writeFile(join(folder, 'flows', 'paying.ygtc'), paying(MENDED));
    const { out } = await runToEnd(['dlq', 'replay', json.id], { cwd: folder });
    expect(out).toBe('1 event replayed; they run at the next start of the host.\n');
    const second = await startHere(folder);
    expect((await second.bus.result(json.id)).json).toMatchObject({ status: 'ok', output: { booked: 7 } });
    expect(charged.filter((line) => line === 'POST /charge')).toHaveLength(1);
  });

  test('an alert whose flow fails itself is buried, and raises no other', async () => {
    const folder = await bundle();
    await writeFile(
      join(folder, 'flows', 'watching.ygtc'),
      flowOf('watching', [{ id: 'fail', type: 'script', config: { script: BROKEN } }], 'host.dead_letter'),
    );
    const here = await startHere(folder);
    await post(webhook(here.url, 'demo', 'order.paid'), {});
    await here.bus.until((seen) =>
      seen.find(({ kind, type }) => kind === 'dead_letter' && type === 'host.dead_letter'),
    );
    // In order on one bus: another alert would be heard before the result of what is sent now.
    const { json } = await post(webhook(here.url, 'demo', 'order.paid'), {});
    await here.bus.deadLetter(json.id);
    expect(here.bus.of('event').filter(({ type }) => type === 'host.dead_letter').length).toBeLessThanOrEqual(
      2,
    );
  });
});
