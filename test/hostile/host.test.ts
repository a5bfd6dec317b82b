import { expect, test } from 'vitest';
import { forever, raw } from '../capability/http/outside.ts';
import { packPath, scriptFlow, writeBundle } from '../system/bundle.ts';
import { type HostHere, startHere } from '../system/host-here.ts';
import { post, webhook } from '../system/request.ts';
import { isolation } from './isolation.ts';

/** A whole host under attack, by way of its door: it answers, and the events of another tenant keep flowing. */

const OK = 'HTTP/1.1 200 OK\r\n';

async function besieged(origin: string): Promise<HostHere> {
  const bundle = {
    http: { listen: '127.0.0.1:0' },
    tenants: {
      attacker: {
        isolation,
        providers: {
          outbound: {
            pack: packPath('outbound'),
            grants: {
              http: { hosts: [origin], networks: ['127.0.0.0/8'], timeout: '500ms' },
              bus: { publish: ['outbound.answered'] },
            },
          },
        },
      },
      bystander: {
        isolation,
        providers: { 'events-webhook': { pack: packPath('events-webhook') } },
        flows: ['flows/count.ygtc'],
      },
    },
  };
  return startHere(
    await writeBundle({
      // JSON is YAML.
      yaml: JSON.stringify(bundle, null, 2),
      files: { 'flows/count.ygtc': scriptFlow('count', 'event.payload.n + 1', 'other.counted') },
      packs: ['outbound', 'events-webhook'],
    }),
  );
}

/** What this process, which is the host's main one here, has open. */
function timersAndSockets(): number {
  const open = process.getActiveResourcesInfo();
  return open.filter((kind) => kind === 'Timeout' || kind.startsWith('TCP') || kind === 'ProcessWrap').length;
}

test.each<[string, Parameters<typeof raw>[0]]>([
  ['never answers', () => undefined],
  [
    'answers without an end',
    (socket) => {
      socket.write(`${OK}\r\n`);
      forever(socket, Buffer.alloc(65_536, 'a'));
    },
  ],
  ['answers in drips', (socket) => forever(socket, `${OK}x-a: b\r\n`)],
  ['hangs up', (socket) => socket.resetAndDestroy()],
])('two hundred calls to a vendor that %s hold up nobody, and each is answered', async (_, talk) => {
  const vendor = await raw(talk);
  const before = timersAndSockets();
  const { url, bus, lines, stop } = await besieged(vendor.origin);
  const asking = Array.from({ length: 200 }, () =>
    post(webhook(url, 'attacker', 'outbound.asked'), { url: vendor.origin }),
  );
  for (let n = 0; n < 20; n += 1) {
    const { status, json } = await post(webhook(url, 'bystander', 'other.counted'), { n });
    expect(status).toBe(202);
    const result = await bus.result(json.id, 'bystander');
    expect(result.json).toMatchObject({ status: 'ok', output: n + 1 });
  }
  const statuses = (await Promise.all(asking)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([202]));
  const problems = bus
    .of('event', 'attacker')
    .filter(({ type }) => type === 'outbound.answered')
    .map(({ json }) => json.payload.err.code);
  expect(problems).toHaveLength(200);
  for (const code of problems) expect(code).toMatch(/^http_\w+$/);
  expect(lines.filter(({ message }) => message.includes('cell was lost'))).toEqual([]);
  await stop();
  // The vendor's end of them closes a moment later.
  await expect.poll(() => timersAndSockets()).toBeLessThanOrEqual(before);
});
