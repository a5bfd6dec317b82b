import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { encode } from 'cborg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { scriptComponent } from '../interop/component-maker.ts';
import { HTTP_CLIENTS, SCHEMA_CORE, STATE, secretsWit, typesWit } from '../interop/field-wit.ts';
import { fieldArchive, symbolManifest } from '../interop/fixture/field-packs.ts';
import { SCHEMA_CORE_SCRIPT } from '../interop/guest-script.ts';
import { flowOf, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';

/** A pack that another host's builder would make: a component, and a flow inside of the manifest. */
let pack: Uint8Array;
let server: Server;
let origin: string;
let asked: { readonly line: string; readonly token: string | undefined; readonly body: string }[] = [];

beforeAll(async () => {
  const wasm = await scriptComponent({
    world: `world built {
  import greentic:http/http-client@1.0.0;
  import greentic:secrets-store/secrets-store@1.0.0;
  import greentic:state/state-store@1.0.0;
  export greentic:provider-schema-core/schema-core-api@1.0.0;
}`,
    packages: [
      SCHEMA_CORE,
      HTTP_CLIENTS.plain,
      secretsWit(['not-found', 'denied', 'internal']),
      STATE,
      typesWit(true),
    ],
    script: `
import { send } from 'greentic:http/http-client@1.0.0';
import { get } from 'greentic:secrets-store/secrets-store@1.0.0';
import { read, write } from 'greentic:state/state-store@1.0.0';
const sent = () => { try { return Number(toText(read('sent', undefined))); } catch { return 0; } };
const operations = {
  send: ({ url, text }) => {
    const headers = [['x-token', toText(get('TOKEN'))]];
    const { status, body } = send({ method: 'POST', url, headers, body: toBytes(text) }, undefined);
    write('sent', toBytes(String(sent() + 1)), undefined);
    return { status, body: toText(body), sent: sent() };
  },
};${SCHEMA_CORE_SCRIPT}`,
  });
  const more = { operations: [{ name: 'send', input_schema: {}, output_schema: {} }] };
  const flows = [
    {
      id: 'mailing',
      nodes: {
        a: {
          component: 'mailer',
          operation: 'send',
          mapping: { url: '{{ entry.url }}', text: 'from its own flow' },
        },
      },
    },
  ];
  pack = await fieldArchive(
    new Map<string, Uint8Array>([
      ['manifest.cbor', encode(symbolManifest([{ id: 'mailer', more }], flows))],
      ['components/mailer.wasm', wasm],
    ]),
  );
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const token = headers['x-token'];
      asked.push({
        line: `${method} ${url}`,
        token: typeof token === 'string' ? token : undefined,
        body: Buffer.concat(chunks).toString(),
      });
      response.end('thanks');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}, 120_000);
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
});

const FLOW = flowOf(
  'posting',
  [
    {
      id: 'post',
      type: 'event',
      config: { provider: 'mailer', action: 'send', url: '{{ event.payload.url }}', text: 'hello' },
      next: 'answer',
    },
    { id: 'answer', type: 'http_response', config: { body: '{{ input }}' } },
  ],
  'mail.wanted',
);

/** @param hosts that the provider may reach */
function bundle(hosts: readonly string[]): Promise<string> {
  const http = { hosts, methods: ['POST'], networks: ['127.0.0.0/8'] };
  return writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0', response_timeout: '60s' },
      tenants: {
        demo: {
          providers: {
            'events-webhook': { pack: 'providers/events/events-webhook.gtpack' },
            mailer: { pack: 'field.gtpack', grants: { http, secrets: ['TOKEN'], state: {} } },
          },
          flows: ['flows/posting.ygtc'],
          secrets: { TOKEN: 'file:token.txt' },
        },
      },
    }),
    files: { 'field.gtpack': pack, 'flows/posting.ygtc': FLOW, 'token.txt': 'very secret' },
  });
}

test('a provider of a pack of another host is called by a flow, and reaches what its bundle granted', async () => {
  const folder = await bundle([origin]);
  const { url, stop } = await startHere(folder, undefined, {});
  const wanted = { url: `${origin}/inbox` };
  const first = await post(webhook(url, 'demo', 'mail.wanted'), wanted);
  expect(first).toMatchObject({ status: 200, json: { status: 200, body: 'thanks', sent: 1 } });
  // Its state outlives the call.
  expect(await post(webhook(url, 'demo', 'mail.wanted'), wanted)).toMatchObject({ json: { sent: 2 } });
  const one = { line: 'POST /inbox', token: 'very secret', body: 'hello' };
  expect(asked).toEqual([one, one]);
  await stop();
  const audit = (await readFile(join(folder, '.gtpack/audit/audit.jsonl'), 'utf8')).trim().split('\n');
  const done = audit.map((line) => JSON.parse(line)).filter(({ provider }) => provider === 'mailer');
  expect(done.map(({ capability, decision }) => `${capability} ${decision}`)).toContain('http done');
  expect(audit.join()).not.toContain('very secret');
});

test('it is denied what nobody granted, hears no more than that, and the operator reads the grant', async () => {
  const { url, lines } = await startHere(await bundle(['api.example.com']), undefined, {});
  const reply = await post(webhook(url, 'demo', 'mail.wanted'), { url: `${origin}/inbox` });
  expect(reply.json).toEqual({
    caught: { code: 'capability_denied', message: expect.not.stringContaining('grants') },
  });
  expect(asked).toEqual([]);
  expect(lines.map(({ message }) => message)).toContainEqual(expect.stringContaining(`hosts: ["${origin}"`));
});

test('the flow that its pack brings runs by the grants of its provider', async () => {
  const { url, bus } = await startHere(await bundle([origin]), undefined, {});
  await post(webhook(url, 'demo', 'flow.field-shop.mailing'), { url: `${origin}/own` });
  const result = await bus.until((seen) =>
    seen.find(({ kind, type }) => kind === 'result' && type === 'flow.field-shop.mailing'),
  );
  expect(result?.json).toMatchObject({ status: 'ok' });
  expect(asked).toEqual([{ line: 'POST /own', token: 'very secret', body: 'from its own flow' }]);
});
