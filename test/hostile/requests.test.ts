import type { Buffer } from 'node:buffer';
import { createServer as createTcpServer } from 'node:net';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TenantId } from '../../host/event/names.ts';
import { nearest } from '../../host/yaml.ts';
import { local, type Outside, outside } from '../capability/http/outside.ts';
import { Arena, type Outcome } from './arena.ts';
import { KINDS, restJob, strikeJob } from './asker-text.ts';
import { World } from './world.ts';

/** What a guest sends is one request, and says what the host wrote where the host writes. */

const world = new World();
const arena = new Arena(world.performs);
beforeAll(() => arena.open());

/** Keeps every byte that came, and answers each first piece of a connection. */
let server: Outside;
let came = '';
beforeEach(async () => {
  came = '';
  server = await outside(
    createTcpServer((socket) => {
      socket.on('data', (piece: Buffer) => {
        came += piece.toString('latin1');
        socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"a');
      });
    }),
  );
});

const invalid = { kind: 'problem', problem: { code: 'http_request_invalid' } };
const SMUGGLED = 'GET /admin HTTP/1.1\r\nHost: inner\r\n\r\n';

describe.each(KINDS)('%s', (_, asker) => {
  let tenant: TenantId;
  beforeAll(async () => {
    const wasm = await asker({ capability: 'http', fn: 'send', memory: '300' });
    tenant = arena.admit(await arena.code({ wasm, exports: ['invoke'], grants: { http: local() } }));
  });
  const attack = (request: object): Promise<Outcome> =>
    arena.attackAs(tenant, {
      job: strikeJob(JSON.stringify({ url: `${server.origin}/`, ...request })),
      harmless: restJob,
    });

  test.each<[string, object]>([
    ['a line break in a value', { 'x-a': 'b\r\nx-injected: 1' }],
    ['a line feed in a value', { 'x-a': 'b\nx-injected: 1' }],
    ['a carriage return in a value', { 'x-a': 'b\rx-injected: 1' }],
    ['a NUL in a value', { 'x-a': 'b\0c' }],
    ['a line break at the end of a value', { 'x-a': 'b\r\n' }],
    ['letters whose last byte is a line break', { 'x-a': 'b\u560d\u560ax-injected: 1' }],
    ['a line separator in a value', { 'x-a': 'b\u2028c' }],
    ['a line break in a name', { 'x-a\r\nx-injected': '1' }],
    ['a colon in a name', { 'x-a: 1\r\nx-b': '1' }],
    ['a space in a name', { 'x a': '1' }],
    ['a NUL in a name', { 'x\0a': '1' }],
    ['no name', { '': '1' }],
    ['a value that is a list', { 'x-a': ['b', 'c'] }],
    ['a value that is an object', { 'x-a': { toString: 'b' } }],
    ['a name twice in different letters', { 'x-a': '1', 'X-A': '2' }],
    ['Host', { Host: 'inner' }],
    ['Content-Length', { 'Content-Length': '0' }],
    ['Transfer-Encoding', { 'Transfer-Encoding': 'chunked' }],
    ['Transfer-Encoding after a tab', { 'transfer-encoding\t': 'chunked' }],
    ['Connection', { Connection: 'keep-alive, x-a' }],
    ['Keep-Alive', { 'keep-alive': 'timeout=1000' }],
    ['Proxy-Connection', { 'proxy-connection': 'keep-alive' }],
    ['Upgrade', { Upgrade: 'h2c' }],
    ['TE', { TE: 'trailers' }],
    ['Trailer', { Trailer: 'x-a' }],
    ['Expect', { Expect: '100-continue' }],
    [
      'headers without end',
      Object.fromEntries(Array.from({ length: 2000 }, (_item, n) => [`x-${n}`, 'a'.repeat(20)])),
    ],
  ])('writes no header of %s', async (_title, headers) => {
    world.grant({ http: local() });
    expect(await attack({ headers, method: 'POST', body: SMUGGLED })).toMatchObject(invalid);
    expect(server.accepted()).toBe(0);
  });

  test.each([
    'GET / HTTP/1.1\r\nX-A: b\r\n\r\nGET',
    'GET\r\n',
    'G\0T',
    'get',
    'CONNECT ',
    ' GET',
    '',
    'PRI *',
  ])('sends no method called %j', async (method) => {
    world.grant({ http: local() });
    expect(await attack({ method })).toMatchObject(invalid);
    expect(server.accepted()).toBe(0);
  });

  test.each(['CONNECT', 'TRACE', 'TRACK', 'PATCH'])('sends no %s, which was not granted', async (method) => {
    world.grant({ http: local() });
    expect(await attack({ method })).toMatchObject({ problem: { code: 'capability_denied' } });
    expect(server.accepted()).toBe(0);
  });

  test.each([
    '/a HTTP/1.1\r\nX-Injected: 1\r\n\r\n',
    '/a\r\nX-Injected: 1',
    '/a\n\nGET /admin',
    '/a%0d%0aX-Injected:%201',
    '/a\0b',
    '/a b',
    '/?q=\r\nX-Injected: 1',
    '/#\r\nX-Injected: 1',
  ])('sends one request line, whatever its path: %j', async (path) => {
    world.grant({ http: local() });
    await attack({ url: `${server.origin}${path}` });
    const [head = '', ...rest] = came.split('\r\n\r\n');
    expect(head).toMatch(/^GET \/\S* HTTP\/1\.1\r\n/);
    expect(head).not.toMatch(/^x-injected/im);
    expect(head.match(/^\S+ \S+ HTTP\/1\.1$/gm)).toHaveLength(1);
    expect(rest).toEqual(['']);
  });

  test.each(['POST', 'GET', 'DELETE'])(
    'sends a body of requests as the one body that it is, with %s',
    async (method) => {
      world.grant({ http: local() });
      const body = `0\r\n\r\n${SMUGGLED}`;
      expect(await attack({ method, body })).toMatchObject({ kind: 'output' });
      const end = came.indexOf('\r\n\r\n');
      const head = came.slice(0, end);
      expect(head.match(/^content-length: .*$/gim)).toEqual([
        expect.stringMatching(new RegExp(`^content-length: ${body.length}$`, 'i')),
      ]);
      expect(head).not.toMatch(/^transfer-encoding/im);
      expect(came.slice(end + 4)).toBe(body);
      expect(server.accepted()).toBe(1);
    },
  );

  test('says the host that it dials, and no other', async () => {
    world.grant({ http: local() });
    await attack({});
    expect(came.match(/^host: .*$/gim)).toEqual([
      expect.stringMatching(new RegExp(`^host: 127\\.0\\.0\\.1:${server.port}$`, 'i')),
    ]);
  });

  test.each<[string, object, RegExp]>([
    ['a body of 4 MB', { method: 'POST', body: 'x'.repeat(4_000_000) }, /^http_request_too_large$/],
    [
      'a URL of 4 MB',
      { url: `http://127.0.0.1/${'x'.repeat(4_000_000)}` },
      /^http_request_(?:invalid|too_large)$/,
    ],
    ['a key of 4 MB', { ['x'.repeat(4_000_000)]: 1 }, /^http_request_(?:invalid|too_large)$/],
    ['a timeout of for ever', { timeout_ms: Number.MAX_SAFE_INTEGER + 2 }, /^http_request_invalid$/],
    ['a timeout before now', { timeout_ms: -1 }, /^http_request_invalid$/],
    ['half a surrogate pair', { method: 'POST', body: '\ud800' }, /^http_request_invalid$/],
    [
      'a body that is no base64',
      { method: 'POST', body: 'a', body_encoding: 'base64' },
      /^http_request_invalid$/,
    ],
    ['another encoding', { method: 'POST', body: 'a', body_encoding: 'utf7' }, /^http_request_invalid$/],
    ['a key that is not listed', { credentials: 'API_KEY' }, /^http_request_invalid$/],
    ['a secret that was not granted', { auth: 'API_KEY' }, /^(?:http_request_invalid|capability_denied)$/],
    ['a proxy', { proxy: 'http://127.0.0.1' }, /^http_request_invalid$/],
  ])('is refused %s', async (_title, request, code) => {
    world.grant({ http: local() });
    const outcome = await attack(request);
    expect(outcome).toMatchObject({ kind: 'problem', problem: { code: expect.stringMatching(code) } });
    expect(server.accepted()).toBe(0);
  });

  test.each([
    '',
    'null',
    '[]',
    '"http://127.0.0.1/"',
    '{',
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    `{"url":${'{"a":'.repeat(5000)}1${'}'.repeat(5001)}`,
    `[${'{},'.repeat(1_000_000)}{}]`,
    '{"__proto__":{"url":"http://127.0.0.1/"}}',
    '{"url":"http://127.0.0.1/","headers":{"__proto__":"x"}}',
    '{"url":"http://127.0.0.1/","url":["a"]}',
  ])('sends nothing for what is no request', async (text) => {
    world.grant({ http: local() });
    const outcome = await arena.attackAs(tenant, { job: strikeJob(text), harmless: restJob });
    const code = expect.stringMatching(/^http_(?:request_invalid|request_too_large|unreachable)$/);
    expect(outcome).toMatchObject({ kind: 'problem', problem: { code } });
    expect(server.accepted()).toBe(0);
  });
});

test('the nearest name to a word of fifty million letters is none, and is not looked for letter by letter', () => {
  expect(nearest('x'.repeat(50_000_000), ['headers', 'method', 'timeout_ms'])).toBeUndefined();
});

test('what was tried leaves no thread and no connection behind', async () => {
  await arena.threadsAreGone();
  await world.connectionsAreGone();
});
