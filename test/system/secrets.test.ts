import { Buffer } from 'node:buffer';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hostRooms } from '../../host/cli/rooms.ts';
import { connectControl } from '../../host/control/control.ts';
import { runToEnd, start } from '../cli/desk.ts';
import { flowOf, packPath, writeBundle } from './bundle.ts';
import { postText, webhook } from './request.ts';

/** Attached by the host; no guest sees it. */
const SENT = 'sent-7f3a+9c/hush=';
/** Read by the guest itself; in small letters, as what is put into an address becomes. */
const SPOKEN = 'spoken-0b1d2e-hush';
const SIGNING = `whsec_${Buffer.from('signing-key-of-24-bytes!').toString('base64')}`;

let servers: Server[];
let seen: { readonly path: string; readonly headers: IncomingHttpHeaders }[];
beforeEach(() => {
  servers = [];
  seen = [];
});
afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A vendor that gives back what it was sent, in every way there is. */
async function vendor(elsewhere = ''): Promise<string> {
  const server = createServer((request, response) => {
    const { authorization = '' } = request.headers;
    const path = request.url ?? '';
    seen.push({ path, headers: request.headers });
    switch (path) {
      case '/moved':
        response.writeHead(307, { location: `${elsewhere}/landed` }).end(authorization);
        return;
      case '/broken':
        request.socket.destroy();
        return;
      case '/garbled':
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(authorization).subarray(0, 15));
        return;
      case '/away':
        response
          .writeHead(307, { location: `http://${authorization.slice('Bearer '.length, 24)}.test/` })
          .end();
        return;
      case '/refusing':
        response.writeHead(404, { 'x-echo': authorization }).end(authorization);
        return;
      default:
        response.writeHead(path === '/failing' ? 500 : 200, { 'x-echo': authorization }).end(authorization);
    }
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const flow = (name: string, url: string) =>
  flowOf(name, [{ id: 'ask', type: 'http', config: { url } }], `${name}.asked`);

async function bundleFor(origin: string, elsewhere: string): Promise<string> {
  const http = {
    hosts: [origin, elsewhere],
    methods: ['GET', 'POST'],
    networks: ['127.0.0.0/8'],
    redirects: 2,
    auth: { secret: 'SENT', hosts: [origin] },
    sign: { secret: 'SIGNING', scheme: 'standard-webhooks' },
  };
  return writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0' },
      secrets: {
        SENT: 'file:sent.txt',
        SPOKEN: 'env:SPOKEN_HERE',
        SIGNING: 'env:SIGNING_HERE',
        UNUSED: 'env:NONE',
      },
      providers: {
        leaking: { pack: packPath('leaking'), grants: { http, secrets: ['SPOKEN'] } },
      },
      flows: ['flows/*.ygtc'],
      grants: { http },
    }),
    files: {
      'sent.txt': `${SENT}\n`,
      'flows/fails.ygtc': flow('fails', `${origin}/refusing`),
      'flows/breaks.ygtc': flow('breaks', `${origin}/broken`),
    },
    packs: ['leaking'],
  });
}

const forms = (secret: string): string[] => [
  secret,
  encodeURIComponent(secret),
  ...[0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
      .toString('base64')
      .slice(4, 18),
  ),
];

/** Every file that the host wrote, as text. */
async function written(folder: string): Promise<string> {
  const own = join(folder, '.gtpack');
  const files = await readdir(own, { recursive: true, withFileTypes: true });
  const texts = await Promise.all(
    files
      .filter((file) => file.isFile() && !file.parentPath.includes('components'))
      .map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
  );
  return texts.join('\n');
}

describe('secrets', () => {
  test('reach the vendor and the guest that may read them, and no log line, no error, no audit and no file', async () => {
    const elsewhere = await vendor();
    const origin = await vendor(elsewhere);
    const folder = await bundleFor(origin, elsewhere);
    const env = { SPOKEN_HERE: SPOKEN, SIGNING_HERE: SIGNING, GTPACK_DEBUG: '1' };
    const desk = start(['up', folder], { cwd: folder, rooms: hostRooms, env });
    await desk.shows('Ctrl-C stops it');
    const [, url = ''] = /at (http:\/\/\S+)/.exec(desk.out()) ?? [];
    const answers: string[] = [];
    const say = async (type: string, request: object = {}): Promise<void> => {
      const { status, text, headers } = await postText(
        webhook(url, 'default', type),
        JSON.stringify(request),
        {},
      );
      answers.push(`${status} ${text} ${JSON.stringify([...headers])}`);
    };

    await say('leak.send', { url: `${origin}/fine` });
    await say('leak.send', { url: `${origin}/signed`, method: 'POST', body: 'x' });
    for (const path of ['moved', 'failing', 'broken', 'garbled', 'away'])
      await say('leak.send', { url: `${origin}/${path}` });
    await say('leak.send', { url: `${origin}/mine`, headers: { authorization: 'SPOKEN' } });
    await say('leak.send', { url: 'http://SPOKEN.test/' });
    await say('leak.send', { url: `${elsewhere}/SPOKEN` });
    await say('leak.send', { url: `${origin}/other`, auth: 'SIGNING' });
    await say('leak.log');
    await say('leak.problem');
    await say('leak.trap');
    await say('fails.asked', { url: `${elsewhere}/told` });
    await say('breaks.asked', { url: `${elsewhere}/told` });
    await desk.shows('is in the dead letters');
    const control = await connectControl(folder);
    answers.push(JSON.stringify(await control.status()));
    control.close();
    desk.stop();
    expect(await desk.status).toBe(0);

    // They went where they should.
    const at = (path: string) =>
      seen.filter((request) => request.path === path).map(({ headers }) => headers);
    expect(at('/fine')[0]?.authorization).toBe(`Bearer ${SENT}`);
    for (const path of ['/failing', '/refusing']) expect(at(path)[0]?.authorization).toBe(`Bearer ${SENT}`);
    expect(at('/signed')[0]?.['webhook-signature']).toMatch(/^v1,/);
    expect(at('/landed')[0]).toBeDefined();
    expect(at('/landed')[0]).not.toHaveProperty('authorization');
    expect(at(`/${SPOKEN}`)[0]).not.toHaveProperty('authorization');
    expect([at('/mine'), at('/other')]).toEqual([[], []]);

    // And stand nowhere else.
    const audit = await runToEnd(['audit', folder, '--json'], { cwd: folder });
    const table = await runToEnd(['audit', folder], { cwd: folder });
    const everything = {
      output: desk.out() + desk.err(),
      answers: answers.join('\n'),
      audit: audit.out + audit.err + table.out,
      files: await written(folder),
    };
    for (const [place, text] of Object.entries(everything)) {
      for (const secret of [SENT, SPOKEN, SIGNING]) {
        for (const form of forms(secret)) expect(text.includes(form), `${form} in the ${place}`).toBe(false);
      }
    }

    // The texts that held one were written, without it.
    expect(desk.err()).toContain('the secret is [secret SPOKEN]');
    expect(desk.err()).toContain('The provider default/leaking reads SPOKEN itself.');
    expect(desk.err()).toContain('The secret UNUSED of the tenant default (line 1) is in no grant');
    expect(everything.answers).toContain('"leaking","message":"It is [secret SPOKEN]."');
    expect(everything.answers).toContain('The plugin aborted: It is [secret SPOKEN].');
    expect((await stat(join(folder, '.gtpack', 'audit', 'audit.jsonl'))).mode & 0o777).toBe(0o600);

    const records = audit.out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    const found = (what: object): void => expect(records).toContainEqual(expect.objectContaining(what));
    const own = {
      tenant: 'default',
      provider: 'leaking',
      pack: 'gtpack.test.leaking@0.2.0',
      run: null,
      node: null,
    };
    found({
      ...own,
      capability: 'http',
      fn: 'send',
      target: `GET ${origin}/fine`,
      decision: 'done',
      code: null,
    });
    found({ ...own, target: `GET ${origin}/broken`, decision: 'failed', code: 'http_interrupted' });
    found({ ...own, target: `GET ${origin}/garbled`, decision: 'failed', code: 'http_response_invalid' });
    found({ ...own, target: `GET ${origin}/away`, decision: 'denied', code: 'capability_denied' });
    found({ ...own, target: `GET ${elsewhere}/[secret SPOKEN]`, decision: 'done' });
    found({ ...own, target: 'GET http://[secret SPOKEN].test/', decision: 'denied' });
    found({ ...own, capability: 'secrets', fn: 'get', target: 'SPOKEN', decision: 'done' });
    found({ ...own, capability: 'secrets', fn: 'get', target: 'SENT', decision: 'denied' });
    found({ tenant: 'default', flow: 'fails', node: 'ask', pack: null, target: `GET ${origin}/refusing` });

    const check = await runToEnd(['check', folder], { cwd: folder, rooms: hostRooms, env });
    expect([check.status, check.err]).toEqual([0, expect.stringContaining('leaking reads SPOKEN itself.')]);
    const without = await runToEnd(['check', folder], { cwd: folder, rooms: hostRooms });
    expect([without.status, without.err]).toEqual([
      1,
      expect.stringContaining('the variable SPOKEN_HERE is not there'),
    ]);
  });
});
