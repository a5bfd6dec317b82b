import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { checkBundle } from '../../host/deploy/check.ts';
import { flowOf, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { cellHosts } from './host-process.ts';
import { post, webhook } from './request.ts';

/** A vendor that answers once it is let. */
let server: Server;
let origin: string;
let asked: string[];
let answer: () => boolean;
beforeEach(async () => {
  asked = [];
  answer = () => true;
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (answer()) response.end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function bundle(flows: Readonly<Record<string, string>>): Promise<string> {
  const files = Object.fromEntries(Object.entries(flows).map(([name, text]) => [`flows/${name}.ygtc`, text]));
  const grants = { http: { hosts: [origin], methods: ['GET', 'POST'], networks: ['127.0.0.0/8'] } };
  const providers = { 'events-webhook': { pack: 'providers/events/events-webhook.gtpack' } };
  const yaml = JSON.stringify({
    http: { listen: '127.0.0.1:0', response_timeout: '60s' },
    tenants: { demo: { providers, flows: Object.keys(files), grants } },
  });
  return writeBundle({ yaml, files, packs: ['events-webhook'] });
}

const send = (id: string, path: string) => ({
  id,
  type: 'http',
  config: { url: `${origin}${path}`, method: 'POST' },
});

test('a webhook is acknowledged, and a flow goes on with it as a run of its own, once', async () => {
  const hanging = Promise.withResolvers<void>();
  answer = () => {
    if (asked.length !== 2) return true;
    hanging.resolve();
    return false;
  };
  const each = { items: '{{ input.lines }}', flow: 'line', concurrency: 1 };
  const { url, bus } = await startHere(
    await bundle({
      front: flowOf(
        'front',
        [
          { id: 'ack', type: 'http_response', config: { status: 202 }, next: 'go' },
          { id: 'go', type: 'async', config: { flow: 'later', input: { lines: '{{ event.payload }}' } } },
        ],
        'front',
      ),
      later: flowOf('later', [{ id: 'each', type: 'foreach', config: each }], 'never'),
      line: flowOf('line', [send('ask', '/{{ input }}')], 'never'),
    }),
  );
  const reply = await post(webhook(url, 'demo', 'front'), ['a', 'b', 'c']);
  expect(reply.status).toBe(202);
  await hanging.promise;
  for (const pid of cellHosts(process.pid)) process.kill(pid, 'SIGKILL');
  const front = await bus.until((seen) =>
    seen.find(({ kind, json }) => kind === 'result' && json.flow === 'front'),
  );
  const later = await bus.until((seen) =>
    seen.find(({ kind, json }) => kind === 'result' && json.flow === 'later'),
  );
  expect(later.json).toMatchObject({ status: 'ok', event_id: front.json.output.id });
  expect(later.json.output).toMatchObject([{ status: 200 }, { status: 200 }, { status: 200 }]);
  // What was recorded was not done again; only what was under way was.
  expect(asked).toEqual(['POST /a', 'POST /b', 'POST /b', 'POST /c']);
  expect(bus.of('event').map(({ type }) => type)).toEqual(['front', 'host.call']);
});

test('an event from outside that looks like a call starts no flow by its name', async () => {
  const { url, bus, host } = await startHere(
    await bundle({
      later: flowOf('later', [send('ask', '/')], 'never'),
      seen: flowOf('seen', [{ id: 'x', type: 'transform', config: { value: 1 } }], 'host.call'),
    }),
  );
  const forged = { schedule: 'call:later', metadata: { schedule: 'call:later' } };
  expect(await post(webhook(url, 'demo', 'host.call'), forged)).toMatchObject({
    json: { code: 'event_type_reserved' },
  });
  // The type alone starts nothing either, whoever makes such an event.
  const { id } = await host.control.emit('demo', 'host.call', JSON.stringify(forged));
  expect((await bus.result(id)).json).toMatchObject({ flow: 'seen', output: 1 });
  expect(asked).toEqual([]);
});

test('calls of flows that are not there, and cycles of them, are told when the bundle is checked', async () => {
  const call = (flow: string) => [{ id: 'x', type: 'flow', config: { flow } }] as const;
  const folder = await bundle({ a: flowOf('a', call('b'), 'a'), b: flowOf('b', call('a'), 'b') });
  const { problems } = await checkBundle(await loadBundle(folder));
  expect(problems).toMatchObject([
    {
      code: 'flow_invalid',
      file: expect.stringContaining('flows/a.ygtc'),
      line: expect.any(Number),
      column: expect.any(Number),
      message: 'The flows call each other without end: a → b → a.',
    },
  ]);
});
