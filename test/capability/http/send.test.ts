import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { bodyOf, grant, http, local, open, raw, refusal, type Sent, send, sendText } from './outside.ts';

const answer = (text: string) => raw((socket) => socket.end(text));

describe('a request', () => {
  test('reaches a granted host as the guest wrote it, and the answer comes back', async () => {
    const server = await http(async (request, response) => {
      const { method, url, headers } = request;
      response.writeHead(201, { 'content-type': 'application/json', 'x-two': ['a', 'b'] });
      response.end(JSON.stringify({ method, url, headers, body: await bodyOf(request) }));
    });
    const sent = await send(open(), local(), {
      method: 'POST',
      url: `${server.origin}/orders/ä?q=1#part`,
      headers: { 'X-Key': 'abc', 'Content-Type': 'text/plain' },
      body: 'grüße',
    });
    expect(sent).toMatchObject({ status: 201, body_encoding: 'utf8' });
    expect(sent.headers).toMatchObject({ 'content-type': 'application/json', 'x-two': 'a, b' });
    expect(JSON.parse(sent.body)).toEqual({
      method: 'POST',
      url: '/orders/%C3%A4?q=1',
      headers: {
        host: `127.0.0.1:${server.port}`,
        connection: 'keep-alive',
        'x-key': 'abc',
        'content-type': 'text/plain',
        'user-agent': 'gtpack',
        accept: '*/*',
        'accept-encoding': 'gzip, deflate, br',
        'content-length': '7',
      },
      body: 'grüße',
    });
  });

  test('without a method is a GET, and an answer of any status is no problem', async () => {
    const server = await http((request, response) => response.writeHead(503).end(request.method));
    expect(await send(open(), local(), { url: server.origin })).toMatchObject({ status: 503, body: 'GET' });
  });

  test('carries bytes as base64, and bytes that are no text come back so', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0xfe, 0x0a]);
    const server = await http((request, response) => request.pipe(response));
    const sent = await send(open(), local(), {
      method: 'POST',
      url: server.origin,
      body: bytes.toString('base64'),
      body_encoding: 'base64',
    });
    expect(sent).toMatchObject({ body: bytes.toString('base64'), body_encoding: 'base64' });
  });

  test('may be a HEAD, whose answer has a length and no body', async () => {
    const server = await http((_, response) => response.writeHead(200, { 'content-length': 5e9 }).end());
    const sent = await send(open(), local(), { method: 'HEAD', url: server.origin });
    expect(sent).toMatchObject({ status: 200, headers: { 'content-length': '5000000000' }, body: '' });
  });

  test('reuses the connection of the one before', async () => {
    const server = await http((_, response) => response.end('ok'));
    const capability = open();
    const allowed = local();
    for (let count = 0; count < 10; count += 1) await send(capability, allowed, { url: server.origin });
    expect(server.accepted()).toBe(1);
  });

  test('of a name reaches the address that the resolver gave, with the name as its host', async () => {
    const server = await http((request, response) => response.end(request.headers.host));
    const capability = open({ resolve: async () => ['127.0.0.1'] });
    const sent = await send(capability, local(), { url: `http://api.test:${server.port}/` });
    expect(sent.body).toBe(`api.test:${server.port}`);
  });

  test('tries the next address of a name when the first does not answer', async () => {
    const server = await http((_, response) => response.end('second'));
    const capability = open({ resolve: async () => ['127.0.0.9', '127.0.0.1'] });
    expect(await send(capability, local(), { url: `http://api.test:${server.port}/` })).toMatchObject({
      body: 'second',
    });
  });
});

describe('headers of an answer', () => {
  test('that are meant for the next hop only are dropped, those named in Connection too', async () => {
    const server = await answer(
      'HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok',
    );
    const sent = await send(open(), local(), { url: server.origin });
    expect(sent.headers).toEqual({ 'x-end': '2', 'content-length': '2' });
  });

  test('named like parts of JavaScript are plain headers', async () => {
    const server = await answer(
      'HTTP/1.1 200 OK\r\n__proto__: a\r\nconstructor: b\r\nContent-Length: 0\r\n\r\n',
    );
    const sent = await send(open(), local(), { url: server.origin });
    expect(Object.entries(sent.headers)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['content-length', '0'],
    ]);
  });
});

describe('a request that is not well-formed', () => {
  const url = 'http://127.0.0.1:1/';
  const header = (name: string, value: unknown = 'x') => ({ url, headers: { [name]: value } });
  const rows: readonly (readonly [title: string, request: object | string])[] = [
    ['no JSON', '{'],
    ['an array', '[]'],
    ['null', 'null'],
    ['nested deep', '{"url":[[[[]]]]}'],
    ['no url', {}],
    ['an unknown key', { url, follow: true }],
    ['a relative url', { url: '/path' }],
    ['a url that is no text', { url: 1 }],
    ['a url without a host', { url: 'http://' }],
    ['a url of 9,000 characters', { url: `${url}${'a'.repeat(9000)}` }],
    ['a file', { url: 'file:///etc/passwd' }],
    ['another scheme', { url: 'gopher://127.0.0.1/' }],
    ['data', { url: 'data:text/plain,x' }],
    ['a websocket', { url: 'ws://127.0.0.1/' }],
    ['credentials in the url', { url: 'http://user:pass@127.0.0.1/' }],
    ['a user name in the url', { url: 'http://granted.test@127.0.0.1/' }],
    ['a host that ends in a dot', { url: 'http://api.test./' }],
    ['a port that is none', { url: 'http://127.0.0.1:70000/' }],
    ['a zone id', { url: 'http://[fe80::1%25eth0]/' }],
    ['a method in small letters', { url, method: 'get' }],
    ['a method with a line break', { url, method: 'GET / HTTP/1.1\r\nx: y' }],
    ['an empty method', { url, method: '' }],
    ['headers as a list', { url, headers: [] }],
    ['a header with an empty name', header('')],
    ['a header name with a space', header('a b')],
    ['a header name with a colon', header('a:b')],
    ['a header name with a line break', header('a\r\nb')],
    ['a header name that is not ASCII', header('ä')],
    ['a header value with a line break', header('a', 'b\r\nc: d')],
    ['a header value with a line feed', header('a', 'b\nc')],
    ['a header value with a null', header('a', 'b\0')],
    ['a header value with a control', header('a', 'b\u0001')],
    ['a header value with DEL', header('a', 'b\u007f')],
    ['a header value that is not ASCII', header('a', 'č')],
    ['a header value with U+010A, whose low byte is a line feed', header('a', '\u010a')],
    ['a header value with a space before it', header('a', ' b')],
    ['a header value that is a number', header('a', 1)],
    ['a header twice', { url, headers: { 'X-A': '1', 'x-a': '2' } }],
    ['20 KiB of headers', header('a', 'b'.repeat(20_000))],
    [
      '2,000 headers',
      { url, headers: Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`x-${n}`, ''])) },
    ],
    ...[
      'Host',
      'content-length',
      'Transfer-Encoding',
      'connection',
      'Keep-Alive',
      'expect',
      'upgrade',
      'TE',
      'trailer',
      'http2-settings',
      'Proxy-Authorization',
      'proxy-connection',
      'proxy-anything',
    ].map((name) => [`a header that the host owns: ${name}`, header(name)] as const),
    ['a body that is no text', { url, body: {} }],
    ['a body with half a surrogate pair', { url, body: '\ud800' }],
    ['a body that is not base64', { url, body: 'a*==', body_encoding: 'base64' }],
    ['a body of base64 without padding', { url, body: 'YQ', body_encoding: 'base64' }],
    ['a body of base64url', { url, body: '_-8=', body_encoding: 'base64' }],
    ['another encoding', { url, body: 'a', body_encoding: 'latin1' }],
    ['a timeout of 0', { url, timeout_ms: 0 }],
    ['a timeout that is no whole number', { url, timeout_ms: 1.5 }],
  ];

  test.each(rows)('is refused before anything is sent: %s', async (_title, request) => {
    const text = typeof request === 'string' ? request : JSON.stringify(request);
    const error = await refusal(sendText(open(), local(), text));
    expect(error.code).toBe('http_request_invalid');
    expect(error.message).not.toContain('undefined');
  });

  test('names the key that was meant', async () => {
    const error = await refusal(send(open(), local(), { url, header: {} }));
    expect(error.message).toContain('Did you mean "headers"?');
  });

  test('never has its URL in the message, which may hold secrets', async () => {
    const error = await refusal(
      send(open(), grant({ hosts: ['a.test'] }), { url: 'http://b.test/x?token=hush' }),
    );
    expect(error.message).not.toContain('hush');
  });
});

describe('a body', () => {
  test('of just the granted size is sent, one byte more is refused', async () => {
    const server = await http((request, response) => request.pipe(response));
    const allowed = local({ max_request: '1KiB' });
    const body = 'x'.repeat(1024);
    const sent: Sent = await send(open(), allowed, { method: 'POST', url: server.origin, body });
    expect(sent.body).toBe(body);
    const error = await refusal(
      send(open(), allowed, { method: 'POST', url: server.origin, body: `${body}x` }),
    );
    expect(error.code).toBe('http_request_too_large');
    expect(server.accepted()).toBe(1);
  });

  test('is refused by the length of its text before it is parsed', async () => {
    const text = JSON.stringify({ url: 'http://127.0.0.1/', body: 'x'.repeat(1024 * 1024) });
    const error = await refusal(sendText(open(), local({ max_request: '1KiB' }), text));
    expect(error.code).toBe('http_request_too_large');
  });
});
