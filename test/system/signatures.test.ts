import { createHmac } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { startHost } from '../../host/host.ts';
import type { HostLogLine, RunningHost } from '../../host/running-host.ts';
import { packPath, scriptFlow, writeBundle } from './bundle.ts';
import { BusLog } from './bus-log.ts';
import { postText, webhook } from './request.ts';

const BEFORE = 'github-secret-of-yesterday';
const NOW = 'github-secret-of-today';
const TOKEN = 'twilio-token-9f3c';
const PUBLIC = 'https://hooks.example.com/in';

async function start(): Promise<{ host: RunningHost; bus: BusLog; lines: HostLogLine[] }> {
  const folder = await writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0', public_url: PUBLIC },
      secrets: { BEFORE: 'env:BEFORE', NOW: 'env:NOW', TOKEN: 'env:TOKEN' },
      providers: {
        hooks: {
          pack: packPath('events-webhook'),
          signatures: { github: { secret: ['NOW', 'BEFORE'] }, twilio: { secret: 'TOKEN' } },
        },
      },
      flows: ['flows/by.ygtc'],
    }),
    files: { 'flows/by.ygtc': scriptFlow('by', 'event.metadata.http.verified') },
  });
  const lines: HostLogLine[] = [];
  const bus = new BusLog();
  const bundle = await loadBundle(folder, { BEFORE, NOW, TOKEN });
  const host = await startHost(bundle, { log: (line) => lines.push(line) });
  host.control.tap(bus.listener);
  onTestFinished(() => host.stop(0));
  return { host, bus, lines };
}

const github = (body: string, secret: string) => ({
  'content-type': 'application/json',
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
});

test('a request that is not signed as its bundle says wakes no cell, and one that is reaches its flow', async () => {
  const { host, bus, lines } = await start();
  const url = webhook(host.url, 'default', 'push');
  const body = '{"ref":"main"}';
  const forged: Record<string, string>[] = [
    { 'content-type': 'application/json' },
    github(body, 'guess'),
    github(`${body} `, NOW),
    { ...github(body, NOW), 'x-twilio-signature': 'AAAA' },
    { 'content-type': 'application/json', verified: 'github', 'x-verified': 'github' },
  ];
  for (const headers of forged) {
    const answer = await postText(url, body, headers);
    expect([answer.status, answer.json.code]).toEqual([401, 'signature_refused']);
  }
  // A tenant has no cell before its first call: so no guest was called.
  expect(host.control.status()).toMatchObject({ cells: 0, cell_hosts: 0 });
  expect(bus.seen).toEqual([]);

  for (const secret of [NOW, BEFORE]) {
    const answer = await postText(url, body, { ...github(body, secret), 'x-verified': 'stripe' });
    expect(answer.status).toBe(202);
    expect((await bus.result(answer.json.id)).json).toMatchObject({ status: 'ok', output: 'github' });
  }
  expect(host.control.status()).toMatchObject({ cells: 1 });

  const refusals = lines.filter(({ message }) => message.startsWith('A request was refused'));
  expect(refusals).toHaveLength(forged.length);
  expect(refusals[0]).toMatchObject({ level: 'warn', tenant: 'default', provider: 'hooks' });
  expect(JSON.stringify(lines)).not.toContain(NOW);
}, 60_000);

test('Twilio signs the public URL, which is also what is shown; another host’s is refused, whatever its headers', async () => {
  const { host, bus } = await start();
  const path = '/v1/events/ingress/hooks/default/sms?from=a%20b';
  const form = 'Body=hello&From=%2B14158675309';
  const send = (base: string) =>
    postText(`${host.url}${path}`, form, {
      'content-type': 'application/x-www-form-urlencoded',
      'x-forwarded-host': 'other.example',
      'x-forwarded-proto': 'https',
      'x-twilio-signature': createHmac('sha1', TOKEN)
        .update(`${base}${path}BodyhelloFrom+14158675309`)
        .digest('base64'),
    });
  for (const base of ['https://other.example', host.url]) expect((await send(base)).status).toBe(401);
  const answer = await send(PUBLIC);
  expect(answer.status).toBe(202);
  expect((await bus.result(answer.json.id)).json).toMatchObject({ output: 'twilio' });
  const [tenant] = host.describe().tenants;
  expect(tenant?.webhookUrls).toEqual([`${PUBLIC}/events/webhook/default/{event_type}`]);
  expect(tenant?.providers).toEqual([{ id: 'hooks', kind: 'webhook', signatures: ['github', 'twilio'] }]);
}, 60_000);

test('a provider that takes no requests has nothing that a signature could check, and does not start', async () => {
  const folder = await writeBundle({
    yaml: JSON.stringify({
      secrets: { NOW: 'env:NOW' },
      providers: {
        clock: { pack: packPath('events-timer'), signatures: { github: { secret: 'NOW' } } },
      },
    }),
    packs: ['events-timer'],
  });
  const started = startHost(await loadBundle(folder, { NOW }), { log: () => {} });
  await expect(started).rejects.toMatchObject({
    code: 'bundle_invalid',
    message: expect.stringContaining('The provider clock takes no requests'),
  });
}, 60_000);

test('a hub and a sender of CloudEvents ask without a signature, get their answers, and can send nothing', async () => {
  const folder = await writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0' },
      secrets: { NOW: 'env:NOW' },
      providers: {
        hooks: {
          pack: packPath('events-webhook'),
          config: {
            websub: { topics: ['https://news.example.com/'] },
            cloudevents: { origins: ['example.com'] },
          },
          signatures: { github: { secret: 'NOW' } },
          handshakes: ['websub', 'cloudevents'],
        },
      },
    }),
    files: {},
  });
  const host = await startHost(await loadBundle(folder, { NOW }), { log: () => undefined });
  onTestFinished(() => host.stop(0));
  const bus = new BusLog();
  host.control.tap(bus.listener);
  const url = `${host.url}/v1/events/ingress/hooks/default/news.item`;
  const ask = (topic: string, mode = 'subscribe') =>
    fetch(`${url}?${new URLSearchParams({ 'hub.mode': mode, 'hub.topic': topic, 'hub.challenge': 'c-42' })}`);
  const asked = await ask('https://news.example.com/');
  expect([asked.status, await asked.text()]).toEqual([200, 'c-42']);
  expect((await ask('https://other.example.com/')).status).toBe(404);
  const origin = { 'webhook-request-origin': 'example.com' };
  const leave = await fetch(url, { method: 'OPTIONS', headers: origin });
  expect([leave.status, leave.headers.get('webhook-allowed-origin')]).toEqual([200, 'example.com']);
  const event = { method: 'POST', headers: { ...origin, 'content-type': 'application/json' }, body: '{}' };
  expect((await fetch(url, event)).status).toBe(401);
  expect(bus.seen).toEqual([]);
});
