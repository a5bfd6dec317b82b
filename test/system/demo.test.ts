import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { openControl } from '../../host/control/control.ts';
import { runToEnd } from '../cli/desk.ts';
import { openVendors, writeSecrets } from '../fakes/vendors.ts';
import { freePort } from '../nats/server.ts';
import { writeBundle } from './bundle.ts';
import type { BusLog } from './bus-log.ts';
import { startHere } from './host-here.ts';
import { packFile } from './packs.ts';
import { post, postText, webhook } from './request.ts';

const PACKS = ['events-webhook', 'events-timer', 'events-email-sendgrid', 'events-sms-twilio'] as const;
const demo = fileURLToPath(new URL('../../bundles/demo', import.meta.url));

beforeAll(async () => {
  for (const name of PACKS) await packFile(name);
}, 180_000);

/** What is published as `order.notified` about an order. */
function notified(bus: BusLog, order: string, channel: string): Promise<unknown> {
  return bus.until(
    (seen) =>
      seen.find(
        ({ kind, type, json }) =>
          kind === 'event' &&
          type === 'order.notified' &&
          json.payload.order === order &&
          json.payload.channel === channel,
      )?.json.payload,
  );
}

test('the demo confirms orders, joins what its vendors report to them, buries and replays one that a vendor refuses, reports the day, and keeps its tenants apart', async () => {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const printed: string[] = [];
  const vendors = await openVendors({
    events: `${origin}/v1/events/ingress/events-email-sendgrid/demo/events`,
    print: (text) => printed.push(text),
  });
  onTestFinished(() => vendors.close());
  const { sendgrid, twilio, warehouse } = vendors;
  const texts = ['bundle.yaml', ...filesIn('flows'), ...filesIn('scripts')].map((path) => {
    const text = readFileSync(`${demo}/${path}`, 'utf8')
      .replaceAll('http://127.0.0.1:8091', sendgrid.url)
      .replaceAll('http://127.0.0.1:8092', twilio.url)
      .replaceAll('http://127.0.0.1:8093', warehouse.url)
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);
    return [path, text] as const;
  });
  const { 'bundle.yaml': yaml = '', ...files } = Object.fromEntries(texts);
  const folder = await writeBundle({ yaml, files, packs: PACKS });
  await writeSecrets(folder, vendors);
  const { host, url, bus, stop } = await startHere(folder, undefined, {});
  const control = await openControl(folder, host.control);
  const order = (id: number) => ({
    order: { id, total: 99.5, email: 'ann@example.org', phone: '+41791234567' },
  });

  const first = (await post(webhook(url, 'demo', 'order.created'), order(42))).json.id;
  expect((await bus.result(first)).json.output).toEqual({
    order: '42',
    email: sendgrid.mails[0]?.id,
    sms: twilio.messages[0]?.sid,
    reservation: 1000,
  });
  const delivered = { order: '42', status: 'delivered', order_event: first };
  expect(await notified(bus, '42', 'email')).toMatchObject(delivered);
  expect(await notified(bus, '42', 'sms')).toMatchObject(delivered);
  expect(printed.join('\n')).toContain('Subject: Your order 42');

  await fetch(`${warehouse.url}/closed`, { method: 'POST' });
  const second = (await post(webhook(url, 'demo', 'order.created'), order(43))).json.id;
  await bus.deadLetter(second);
  await expect.poll(() => sendgrid.mails.at(-1)?.mail.subject).toBe('order.created could not be worked off');
  await fetch(`${warehouse.url}/open`, { method: 'POST' });
  const replay = await runToEnd(['dlq', 'replay', '--all'], { cwd: folder });
  expect([replay.status, replay.out]).toEqual([0, '1 event replayed.\n']);
  await bus.until((seen) =>
    seen.find(({ kind, json }) => kind === 'result' && json.event_id === second && json.status === 'ok'),
  );
  expect(warehouse.orders.map((each) => each.order)).toEqual(['42', '43']);
  expect(sendgrid.mails.filter(({ mail }) => mail.subject === 'Your order 43')).toHaveLength(1);
  expect(twilio.messages).toHaveLength(2);

  await runToEnd(['emit', 'demo', 'report.due'], { cwd: folder });
  await expect.poll(() => sendgrid.mails.at(-1)?.mail.content?.[0]?.value).toContain('2, worth 199');

  const forged = `${url}/v1/events/ingress/events-email-sendgrid/demo/events`;
  expect((await postText(forged, '[]', { 'content-type': 'application/json' })).status).toBe(401);
  const answer = await post(webhook(url, 'acme', 'order.created'), order(42));
  expect([answer.status, answer.json]).toEqual([200, { thanks_for: 42 }]);
  expect(bus.of('event', 'acme').map(({ type }) => type)).toEqual(['order.created']);
  await control.close();
  await stop();
});

function filesIn(folder: string): string[] {
  return readdirSync(`${demo}/${folder}`).map((name) => `${folder}/${name}`);
}
