import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { checkBundle } from '../../host/deploy/check.ts';
import { writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';

let server: Server;
let origin: string;
let asked: string[];
beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end('hello');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

function bundle(grants: string) {
  return writeBundle({
    yaml: `http: { listen: "127.0.0.1:0" }
providers:
  outbound:
    pack: providers/events/outbound.gtpack
${grants}`,
    packs: ['outbound'],
  });
}

const granted = () => `    grants:
      http: { hosts: ["${origin}"], networks: ["127.0.0.0/8"] }
      bus: { publish: ["outbound.answered"] }
`;

async function send(url: string, request: object): Promise<{ status: number }> {
  const response = await fetch(`${url}/events/webhook/default/outbound.asked`, {
    method: 'POST',
    body: JSON.stringify(request),
  });
  await response.body?.cancel();
  return { status: response.status };
}

test('a provider reaches what its bundle granted, through the host, and publishes what it may', async () => {
  const { host, bus, stop } = await startHere(await bundle(granted()));
  expect(await send(host.url, { url: `${origin}/a?b=c` })).toEqual({ status: 202 });
  const answered = await bus.until((seen) => seen.find(({ type }) => type === 'outbound.answered'));
  expect(answered?.json.payload.ok).toMatchObject({ status: 200, body: 'hello', body_encoding: 'utf8' });
  expect(answered?.json.source).toBe('outbound');
  expect(asked).toEqual(['GET /a?b=c']);
  await stop();
});

test('what it was not granted gets it a problem, is not asked, and the operator reads the grant that would allow it', async () => {
  const { host, bus, lines, stop } = await startHere(await bundle(granted()));
  await send(host.url, { url: 'http://localhost:1/' });
  const answered = await bus.until((seen) => seen.find(({ type }) => type === 'outbound.answered'));
  expect(answered?.json.payload.err).toMatchObject({
    code: 'capability_denied',
    message: expect.not.stringContaining('grants'),
  });
  expect(lines.map(({ message }) => message)).toContainEqual(
    expect.stringContaining('hosts: ["http://localhost:1"'),
  );
  expect(asked).toEqual([]);
  await stop();
});

test('a bundle that grants nothing does not start it, and says what to write', async () => {
  const { problems } = await checkBundle(await loadBundle(await bundle('')));
  expect(problems).toMatchObject([
    {
      code: 'guest_import_refused',
      cure: 'To grant it, add to the provider: grants: { http: { hosts: ["api.example.com"] } }',
    },
    {
      code: 'guest_import_refused',
      cure: 'To grant it, add to the provider: grants: { bus: { publish: ["order.created"] } }',
    },
  ]);
});
