import { createServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TenantId } from '../../host/event/names.ts';
import type { HttpGrant } from '../../host/grant/http-grant.ts';
import { certificate } from '../capability/http/certificate.ts';
import { grant, http, type Outside, outside } from '../capability/http/outside.ts';
import { Arena, type Outcome } from './arena.ts';
import { KINDS, restJob, strikeJob } from './asker-text.ts';
import { World } from './world.ts';

/**
 * The whole way, from a guest in its cell through the broker to servers that listen on every address of this machine: what
 * a refused request must not reach is there, and would answer.
 */

const own = certificate(['api.test', '127.0.0.1']);
const world = new World({ ca: own.cert });
const arena = new Arena(world.performs);
beforeAll(() => arena.open());

/** Listens on all addresses, of both families. */
let forbidden: Outside;
beforeEach(async () => {
  forbidden = await outside(
    createTcpServer((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret');
    }),
    '::',
  );
});

/** Any host and port of the internet, and no network that is not public. */
const anywhere = (): HttpGrant => grant({ hosts: ['*:*', 'http://*:*'], redirects: 5 });
const REFUSED = {
  kind: 'problem',
  problem: { code: expect.stringMatching(/^(?:capability_denied|http_request_invalid)$/) },
};

describe.each(KINDS)('%s', (_, asker) => {
  let tenant: TenantId;
  beforeAll(async () => {
    const wasm = await asker({ capability: 'http', fn: 'send' });
    tenant = arena.admit(await arena.code({ wasm, exports: ['invoke'], grants: { http: anywhere() } }));
  });
  const attack = (request: object): Promise<Outcome> =>
    arena.attackAs(tenant, { job: strikeJob(JSON.stringify(request)), harmless: restJob });

  async function isRefused(request: object): Promise<void> {
    const outcome = await attack(request);
    expect(outcome).toMatchObject(REFUSED);
    expect(JSON.stringify(outcome)).not.toContain('secret');
    // The operator's to know, not the guest's: neither the address nor the grant that would allow it.
    expect(JSON.stringify(outcome)).not.toMatch(/networks|grants/);
    expect(forbidden.accepted()).toBe(0);
  }

  test('reaches the servers of these tests where it is granted them: the refusals below are no accidents', async () => {
    world.grant({ http: grant({ hosts: ['http://*:*'], networks: ['127.0.0.0/8', '::1/128'] }) });
    for (const host of ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433']) {
      const outcome = await attack({ url: `http://${host}:${forbidden.port}/` });
      expect(outcome).toMatchObject({ kind: 'output', output: expect.stringContaining('secret') });
    }
    expect(forbidden.accepted()).toBeGreaterThanOrEqual(3);
  });

  test.each([
    '127.0.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.1',
    '0X7F.1',
    '0177.0.0.1',
    '017700000001',
    '127.1',
    '127.0.1',
    '127.0.0.1.',
    '127.255.255.254',
    '0',
    '0.0.0.0',
    '0x0',
    'user:password@127.0.0.1',
    'api.example.com@127.0.0.1',
    'api.example.com:80@127.0.0.1',
    '%31%32%37.0.0.1',
    '127%2e0%2e0%2e1',
    '１２７.０.０.１',
    '①②⑦.⓪.⓪.①',
    '127。0。0。1',
    '127．0．0．1',
    '127｡0｡0｡1',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::FFFF:7F00:1]',
    '[0:0:0:0:0:ffff:7f00:0001]',
    '[::ffff:0:127.0.0.1]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[::ffff:0.0.0.0]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    '[2002:7f00:1::7f00:1]',
    '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '10.0.0.1',
    '192.168.0.1',
    '172.16.0.1',
    '169.254.169.254',
    '0xa9fea9fe',
    '2852039166',
    '[::ffff:a9fe:a9fe]',
    '100.100.100.200',
  ])('does not reach this machine or its networks, spelt %s', async (host) => {
    world.grant({ http: anywhere() });
    await isRefused({ url: `http://${host}:${forbidden.port}/latest/meta-data/` });
  });

  test.each([
    'file:///etc/passwd',
    'FILE:///etc/passwd',
    'data:text/plain,secret',
    'ftp://127.0.0.1/',
    'gopher://127.0.0.1:1/_GET',
    'ws://127.0.0.1/',
    'unix:/var/run/docker.sock',
    'http+unix://%2Fvar%2Frun%2Fdocker.sock/',
    'blob:http://127.0.0.1/x',
    'javascript:fetch("http://127.0.0.1")',
    '//127.0.0.1/',
    '127.0.0.1',
    'http://',
  ])('requests nothing but HTTP by absolute URLs: %s', async (url) => {
    world.grant({ http: anywhere() });
    await isRefused({ url });
  });

  test.each<[string, readonly (readonly string[])[]]>([
    ['127.0.0.1', [['127.0.0.1']]],
    ['::1', [['::1']]],
    ['a mapped address', [['::ffff:127.0.0.1']]],
    ['0.0.0.0', [['0.0.0.0']]],
    ['a private address among public ones', [['93.184.216.34', '127.0.0.1', '93.184.216.35']]],
    ['a public address, and then a private one', [['93.184.216.34', '127.0.0.1'], ['127.0.0.1']]],
  ])('does not reach a name that resolves to %s', async (_title, answers) => {
    world.grant({ http: anywhere() });
    world.names('rebind.test', ...answers);
    await isRefused({ url: `http://rebind.test:${forbidden.port}/` });
    await isRefused({ url: `http://REBIND.test:${forbidden.port}/` });
  });

  test('dials the address that was checked, though the name has another one a moment later', async () => {
    const allowed = await outside(
      createTcpServer((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine')),
      '127.0.0.2',
    );
    world.grant({ http: grant({ hosts: ['http://rebind.test:*'], networks: ['127.0.0.2/32'] }) });
    world.names('rebind.test', ['127.0.0.2'], ['127.0.0.1']);
    const request = { url: `http://rebind.test:${allowed.port}/` };
    expect(await attack(request)).toMatchObject({ output: expect.stringContaining('fine') });
    // The next connection looks the name up anew, and is checked anew.
    world.grant({ http: grant({ hosts: ['http://rebind.test:*'], networks: ['127.0.0.2/32'] }) });
    await isRefused({ url: `http://rebind.test:${forbidden.port}/` });
  });

  describe('is not led on by a redirect', () => {
    const redirecting = (location: string, status = 302): Promise<Outside> =>
      http((_request, response) => response.writeHead(status, { location }).end('moved'));

    async function isNotLedTo(location: string, status?: number): Promise<void> {
      const server = await redirecting(location, status);
      world.names('api.test', ['127.0.0.1']);
      const hosts = [`http://127.0.0.1:${server.port}`, `http://api.test:${server.port}`, 'inward.test:*'];
      world.grant({ http: grant({ hosts, networks: ['127.0.0.1/32'], redirects: 5 }) });
      for (const host of ['127.0.0.1', 'api.test']) {
        await isRefused({ url: `http://${host}:${server.port}/` });
      }
      expect(server.accepted()).toBeGreaterThan(0);
    }

    test.each<[string, (port: number) => string]>([
      ['an ungranted host', (port) => `http://other.test:${port}/`],
      ['an ungranted host without a scheme', (port) => `//other.test:${port}/`],
      ['this machine by IPv6', (port) => `http://[::1]:${port}/`],
      ['this machine in another spelling', (port) => `http://0x7f.1:${port}/`],
      ['this machine by its name', (port) => `http://localhost:${port}/`],
      ['another port of the same host', (port) => `http://127.0.0.1:${port}/`],
      ['another scheme of the same host', (port) => `https://127.0.0.1:${port}/`],
      ['a private address', () => 'http://10.0.0.1/'],
      ['the metadata of a cloud', () => 'http://169.254.169.254/latest/meta-data/'],
      ['a granted name with a private address', (port) => `https://inward.test:${port}/`],
      ['a host behind credentials', (port) => `http://api.test@127.0.0.1:${port}/`],
      ['a file', () => 'file:///etc/passwd'],
      ['data', () => 'data:text/plain,secret'],
    ])('to %s', async (_title, location) => {
      world.names('other.test', ['127.0.0.1']);
      world.names('inward.test', ['127.0.0.9']);
      await isNotLedTo(location(forbidden.port));
      await isNotLedTo(location(forbidden.port), 307);
    });

    test('from https to http', async () => {
      const server = await outside(
        createServer(own, (_request, response) => {
          response.writeHead(302, { location: `http://127.0.0.1:${forbidden.port}/` }).end();
        }),
      );
      const hosts = [`127.0.0.1:${server.port}`];
      world.grant({ http: grant({ hosts, networks: ['127.0.0.1/32'], redirects: 5 }) });
      await isRefused({ url: `https://127.0.0.1:${server.port}/` });
      expect(server.accepted()).toBe(1);
    });

    test('of thousands, which end at as many as were granted', async () => {
      const server = await http((request, response) =>
        response.writeHead(302, { location: `${request.url}x` }).end(),
      );
      world.grant({ http: grant({ hosts: [server.origin], networks: ['127.0.0.1/32'], redirects: 5 }) });
      expect(await attack({ url: server.origin })).toMatchObject({
        problem: { code: 'http_redirects_too_many' },
      });
    });
  });

  test('that was granted nothing when its call came reaches nothing, and learns no more than that', async () => {
    await isRefused({ url: `http://127.0.0.1:${forbidden.port}/` });
    expect(world.denied).toHaveLength(1);
    expect(world.records).toMatchObject([{ capability: 'http', decision: 'denied' }]);
  });
});

test('what was tried leaves no thread and no connection behind', async () => {
  await arena.threadsAreGone();
  await world.connectionsAreGone();
});
