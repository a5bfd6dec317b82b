import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { forever, http, local, open, outside, raw, refusal, send } from './outside.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

describe('H4: a body that is too long', () => {
  test('is refused by what the server announces, before any of it came', async () => {
    const server = await raw((socket) => socket.write(`${OK}Content-Length: ${1024 ** 3}\r\n\r\n`));
    const error = await refusal(send(open(), local(), { url: server.origin }));
    expect(error.code).toBe('http_response_too_large');
    expect(error.message).toContain('1048576 bytes');
  });

  test('of 1 GiB in chunks is left when the limit is passed', async () => {
    let written = 0;
    const server = await raw((socket) => {
      socket.write(CHUNKED);
      const piece = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 'a'), Buffer.from('\r\n')]);
      const write = () => {
        while (!socket.destroyed && written < 1024 ** 3) {
          written += piece.length;
          if (!socket.write(piece)) return;
        }
      };
      socket.on('drain', write);
      write();
    });
    const error = await refusal(send(open(), local(), { url: server.origin }));
    expect(error.code).toBe('http_response_too_large');
    expect(written).toBeLessThan(64 * 1024 ** 2);
  });

  test('without a length that never ends is left', async () => {
    const server = await raw((socket) => {
      socket.write(`${OK}\r\n`);
      forever(socket, Buffer.alloc(65_536, 'a'));
    });
    const error = await refusal(send(open(), local(), { url: server.origin }));
    expect(error.code).toBe('http_response_too_large');
  });

  test('in pieces of one byte costs no more than its size', async () => {
    const server = await raw((socket) => socket.end(`${CHUNKED}${'1\r\na\r\n'.repeat(100_000)}0\r\n\r\n`));
    const sent = await send(open(), local(), { url: server.origin });
    expect(sent.body).toBe('a'.repeat(100_000));
  });

  test('of just the granted size is no problem, one byte more is', async () => {
    const server = await http((request, response) => response.end('a'.repeat(Number(request.url?.slice(1)))));
    const allowed = local({ max_response: '4KiB' });
    expect((await send(open(), allowed, { url: `${server.origin}/4096` })).body).toHaveLength(4096);
    expect((await refusal(send(open(), allowed, { url: `${server.origin}/4097` }))).code).toBe(
      'http_response_too_large',
    );
  });
});

const zeros = Buffer.alloc(16 * 1024 ** 2);
const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

describe('H4: a packed body', () => {
  const packers: readonly (readonly [coding: string, pack: (bytes: Buffer) => Buffer])[] = [
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', (bytes) => brotliCompressSync(bytes, fast)],
    ['gzip, br', (bytes) => brotliCompressSync(gzipSync(bytes), fast)],
    ['identity', (bytes) => bytes],
  ];
  const packed = (coding: string, body: Buffer) =>
    http((_, response) => response.writeHead(200, { 'content-encoding': coding }).end(body));

  test.each(packers)(
    'of %s is unpacked, and its coding and length are not the guest’s to see',
    async (coding, pack) => {
      const server = await packed(coding, pack(Buffer.from('hello')));
      const sent = await send(open(), local(), { url: server.origin });
      expect(sent).toMatchObject({ body: 'hello', body_encoding: 'utf8' });
      if (coding === 'identity') return;
      expect(sent.headers).not.toHaveProperty('content-encoding');
      expect(sent.headers).not.toHaveProperty('content-length');
    },
  );

  test.each(packers.slice(0, 7))(
    'of %s that is a bomb is left when the limit is passed',
    async (coding, pack) => {
      const server = await packed(coding, pack(zeros));
      const error = await refusal(send(open(), local(), { url: server.origin }));
      expect(error.code).toBe('http_response_too_large');
    },
  );

  test('that was packed three times is refused', async () => {
    const server = await packed('gzip, gzip, gzip', gzipSync(gzipSync(gzipSync('a'))));
    expect((await refusal(send(open(), local(), { url: server.origin }))).code).toBe('http_response_invalid');
  });

  test.each([
    ['cut short', gzipSync('hello hello hello').subarray(0, 20)],
    ['of something else', Buffer.from('no gzip at all')],
  ])('%s is an invalid answer', async (_title, body) => {
    const server = await packed('gzip', body);
    expect((await refusal(send(open(), local(), { url: server.origin }))).code).toBe('http_response_invalid');
  });

  test('in a coding that the host does not know comes as it is, with its header', async () => {
    const server = await packed('zstd', Buffer.from('raw'));
    const sent = await send(open(), local(), { url: server.origin });
    expect(sent).toMatchObject({ body: 'raw', headers: { 'content-encoding': 'zstd' } });
  });

  test('that is empty is empty', async () => {
    const server = await packed('gzip', Buffer.alloc(0));
    expect(await send(open(), local(), { url: server.origin })).toMatchObject({ body: '' });
  });
});

describe('a server that does not speak HTTP', () => {
  const endless: readonly (readonly [title: string, begin: string, piece: string, code: string])[] = [
    ['headers', OK, 'x-a: bbbbbbbbbbbbbbbb\r\n', 'http_response_too_large'],
    ['a header', `${OK}x: `, 'b'.repeat(1000), 'http_response_too_large'],
    ['a header name', OK, 'b'.repeat(1000), 'http_response_too_large'],
    ['trailers', `${CHUNKED}0\r\n`, 'x-a: bbbbbbbbbbbbbbbb\r\n', 'http_response_too_large'],
    ['interim responses', '', 'HTTP/1.1 103 Early Hints\r\n\r\n', 'http_response_invalid'],
  ];
  test.each(endless)('is left at %s without end', async (_title, begin, piece, code) => {
    const server = await raw((socket) => {
      socket.write(begin);
      forever(socket, piece.repeat(50));
    });
    expect((await refusal(send(open(), local(), { url: server.origin }))).code).toBe(code);
  });

  const invalid: readonly (readonly [title: string, text: string])[] = [
    ['another protocol', 'SSH-2.0-OpenSSH_9.0\r\n'],
    ['a broken status line', 'HTTP/1.1 abc\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['a header without a name', `${OK}: x\r\n\r\n`],
    ['two lengths', `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\naa`],
    ['a length and chunks', `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a chunk of no size', `${CHUNKED}zz\r\n`],
    ['a chunk of a size past all numbers', `${CHUNKED}fffffffffffffffffff\r\n`],
  ];
  test.each(invalid)('gives an invalid answer: %s', async (_title, text) => {
    const server = await raw((socket) => socket.end(text));
    expect((await refusal(send(open(), local(), { url: server.origin }))).code).toBe('http_response_invalid');
  });

  const broken: readonly (readonly [title: string, talk: (socket: Socket) => void])[] = [
    ['nothing', (socket) => socket.end()],
    ['a reset', (socket) => socket.resetAndDestroy()],
    ['half a header', (socket) => socket.end(`${OK}X-`)],
    ['half a body', (socket) => socket.end(`${OK}Content-Length: 10\r\n\r\nabc`)],
    ['half a chunk', (socket) => socket.end(`${CHUNKED}5\r\nab`)],
    [
      'an upgrade nobody asked for',
      (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    ],
  ];
  test.each(broken)('that breaks off gives a problem: %s', async (_title, talk) => {
    const server = await raw(talk);
    const error = await refusal(send(open(), local(), { url: server.origin }));
    expect(['http_interrupted', 'http_response_invalid']).toContain(error.code);
    expect(error.retryable).toBe(true);
  });

  test('that breaks off once it has read the request may have done what it asks for, and the message says so', async () => {
    const read: string[] = [];
    const server = await outside(
      createServer((socket) => {
        socket.on('data', (data) => {
          read.push(String(data));
          if (read.join('').endsWith('pay 5')) socket.destroy();
        });
      }),
    );
    const order = { method: 'POST', url: server.origin, body: 'pay 5' };
    const error = await refusal(send(open(), local({ methods: ['POST'] }), order));
    expect(error).toMatchObject({ code: 'http_interrupted', retryable: true, blame: 'vendor' });
    expect(error.message).toContain('it may have done what the request asks for');
    // Sent once: the library repeats nothing by itself.
    expect(read.join('').split('POST ')).toHaveLength(2);
  });

  test('that breaks off a connection which was used before is no less unknown', async () => {
    let answered = 0;
    const server = await outside(
      createServer((socket) => {
        socket.on('data', () => {
          answered += 1;
          if (answered === 1) socket.write(`${OK}Content-Length: 0\r\n\r\n`);
          else socket.resetAndDestroy();
        });
      }),
    );
    const [capability, granted] = [open(), local()];
    await send(capability, granted, { url: server.origin });
    expect((await refusal(send(capability, granted, { url: server.origin }))).code).toBe('http_interrupted');
    expect(server.accepted()).toBe(1);
  });

  test('that nobody runs is unreachable, and the message names no library', async () => {
    const error = await refusal(send(open(), local(), { url: 'http://127.0.0.1:1/' }));
    expect(error.code).toBe('http_unreachable');
    expect(error.message).toBe('http://127.0.0.1:1 refuses connections.');
  });

  test('a name that does not resolve is unreachable', async () => {
    const error = await refusal(send(open(), local(), { url: 'http://gone.test/' }));
    expect(error.message).toBe('http://gone.test has a host name that does not resolve.');
  });

  test('what comes after an answer is not the next one’s', async () => {
    const server = await raw((socket) =>
      socket.write(`${OK}Content-Length: 2\r\n\r\nok${OK}Content-Length: 4\r\n\r\nevil`),
    );
    const capability = open();
    const allowed = local();
    expect((await send(capability, allowed, { url: server.origin })).body).toBe('ok');
    expect((await send(capability, allowed, { url: server.origin })).body).toBe('ok');
  });
});

describe('H5: a call ends at its deadline', () => {
  const soon = local({ timeout: '50ms' });
  const slow: readonly (readonly [title: string, talk: (socket: Socket) => void])[] = [
    ['no answer', () => undefined],
    ['a status line that never ends', (socket) => forever(socket, `${OK.trim()}${'a'.repeat(1000)}`)],
    ['half the headers', (socket) => socket.write(`${OK}x: `)],
    ['headers and no body', (socket) => socket.write(`${OK}Content-Length: 10\r\n\r\n`)],
    [
      'a chunk extension that never ends',
      (socket) =>
        forever(socket.setNoDelay(), `${socket.bytesWritten === 0 ? CHUNKED : ''}5;${'a'.repeat(1000)}`),
    ],
    [
      'a byte at a time',
      (socket) => {
        socket.write(CHUNKED);
        const timer = setInterval(() => socket.write('1\r\na\r\n'), 2);
        socket.once('close', () => clearInterval(timer));
      },
    ],
  ];
  test.each(slow)('with %s', async (title, talk) => {
    const server = await raw(talk);
    const error = await refusal(send(open(), soon, { url: server.origin }));
    expect(
      title.includes('never ends') ? ['http_timeout', 'http_response_invalid'] : ['http_timeout'],
    ).toContain(error.code);
  });

  test('while the name is still being looked up', async () => {
    const capability = open({ resolve: () => Promise.withResolvers<string[]>().promise });
    expect((await refusal(send(capability, soon, { url: 'http://slow.test/' }))).code).toBe('http_timeout');
  });

  test('while the connection is still being made', async () => {
    // A listener that takes nothing, with a full queue, answers no handshake.
    const server = await outside(createServer({ pauseOnConnect: true }));
    const capability = open();
    const https = local({ hosts: [`https://127.0.0.1:${server.port}`], timeout: '50ms' });
    expect((await refusal(send(capability, https, { url: `https://127.0.0.1:${server.port}/` }))).code).toBe(
      'http_timeout',
    );
  });

  test('over all redirects together', async () => {
    const server = await http((_, response) => {
      setTimeout(() => response.writeHead(302, { location: '/' }).end(), 20);
    });
    const error = await refusal(
      send(open(), local({ timeout: '50ms', redirects: 10 }), { url: server.origin }),
    );
    expect(error.code).toBe('http_timeout');
  });

  test('which the guest may bring nearer, and not push away', async () => {
    const server = await raw(() => undefined);
    const nearer = await refusal(send(open(), local(), { url: server.origin, timeout_ms: 30 }));
    expect(nearer.message).toContain('longer than 30 ms');
    const further = await refusal(send(open(), soon, { url: server.origin, timeout_ms: 60_000 }));
    expect(further.message).toContain('longer than 50 ms');
  });

  test('or when its caller is gone, and the connection is broken', async () => {
    const broken = Promise.withResolvers<void>();
    const caller = new AbortController();
    const server = await raw((socket) => {
      socket.once('close', () => broken.resolve());
      caller.abort();
    });
    const call = send(open(), local(), { url: server.origin }, { signal: caller.signal });
    expect((await refusal(call)).code).toBe('cell_lost');
    await broken.promise;
    const late = send(open(), local(), { url: server.origin }, { signal: caller.signal });
    expect((await refusal(late)).code).toBe('cell_lost');
    expect(server.accepted()).toBe(1);
  });
});

describe('what one tenant may hold at once', () => {
  test('is a number of calls; past it the answer is busy, and another tenant is served', async () => {
    const gate = Promise.withResolvers<void>();
    const server = await http(async (_, response) => {
      await gate.promise;
      response.end('ok');
    });
    const capability = open({ limits: { maxCalls: 2 } });
    const allowed = local();
    const waiting = [1, 2].map(() => send(capability, allowed, { url: server.origin }));
    expect((await refusal(send(capability, allowed, { url: server.origin }))).code).toBe('http_busy');
    const other = send(capability, allowed, { url: server.origin }, { tenant: 'other' });
    gate.resolve();
    expect((await Promise.all([...waiting, other])).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await send(capability, allowed, { url: server.origin })).status).toBe(200);
  });

  test('is a number of connections, idle ones included', async () => {
    const server = await http((_, response) => response.end('ok'));
    const capability = open({ limits: { maxConnections: 2 } });
    const one = () => send(capability, local(), { url: server.origin });
    await one();
    await one();
    expect((await refusal(one())).code).toBe('http_busy');
    expect(capability.openConnections).toBe(2);
  });

  test('is a number of bytes; what was held is given back', async () => {
    const server = await http((_, response) => response.end('a'.repeat(1000)));
    const capability = open({ limits: { maxHeldBytes: 1500 } });
    const allowed = local({ max_response: '1MiB' });
    for (let count = 0; count < 3; count += 1) await send(capability, allowed, { url: server.origin });
    const big = await http((_, response) => response.end('a'.repeat(2000)));
    expect((await refusal(send(capability, allowed, { url: big.origin }))).code).toBe('http_busy');
    const outgoing = { url: server.origin, method: 'POST', body: 'a'.repeat(2000) };
    expect((await refusal(send(capability, allowed, outgoing))).code).toBe('http_busy');
    expect((await send(capability, allowed, { url: server.origin })).status).toBe(200);
  });

  test('does not shrink by calls that were given up while their name was looked up', async () => {
    const gate = Promise.withResolvers<string[]>();
    const capability = open({ resolve: () => gate.promise, limits: { maxConnections: 3 } });
    const allowed = local({ timeout: '20ms' });
    const names = ['a', 'b', 'c', 'd'].map((name) => `http://${name}.test:1/`);
    const codes = await Promise.all(
      names.map(async (url) => (await refusal(send(capability, allowed, { url }))).code),
    );
    expect(codes).toEqual(['http_timeout', 'http_timeout', 'http_timeout', 'http_busy']);
    expect(capability.openConnections).toBe(3);
    gate.resolve(['127.0.0.1']);
    await expect.poll(() => capability.openConnections).toBe(0);
  });

  test('is enough for 100 calls together', async () => {
    const server = await http((_, response) => response.end('ok'));
    const capability = open();
    const allowed = local();
    const calls = Array.from({ length: 100 }, () => send(capability, allowed, { url: server.origin }));
    expect((await Promise.all(calls)).every(({ body }) => body === 'ok')).toBe(true);
  });
});

describe('a connection that the server closed', () => {
  test('is given back', async () => {
    const server = await raw((socket) => socket.end(`${OK}Connection: close\r\nContent-Length: 2\r\n\r\nok`));
    const capability = open();
    expect((await send(capability, local(), { url: server.origin })).body).toBe('ok');
    await expect.poll(() => capability.openConnections).toBe(0);
  });

  test('while it was idle is dialled anew', async () => {
    const server = await raw((socket) => socket.end(`${OK}Content-Length: 2\r\n\r\nok`));
    const capability = open();
    const allowed = local();
    for (let count = 0; count < 5; count += 1) {
      const sent = await send(capability, allowed, { url: server.origin, method: 'POST', body: 'x' });
      expect(sent.body).toBe('ok');
      await expect.poll(() => capability.openConnections).toBe(0);
    }
    expect(server.accepted()).toBe(5);
  });
});

describe('closing', () => {
  test('ends what is under way, leaves no connection, and nothing is sent after it', async () => {
    const capability = open({ resolve: () => Promise.withResolvers<string[]>().promise });
    const silent = await raw(() => capability.close());
    const idle = await http((_, response) => response.end('ok'));
    const allowed = local();
    await send(capability, allowed, { url: idle.origin });
    const calls = [
      send(capability, allowed, { url: 'http://slow.test/' }),
      send(capability, allowed, { url: silent.origin }),
    ];
    const codes = await Promise.all(calls.map(async (call) => (await refusal(call)).code));
    expect(codes).toEqual(['host_stopping', 'host_stopping']);
    await capability.close();
    expect((await refusal(send(capability, allowed, { url: idle.origin }))).code).toBe('host_stopping');
    expect(idle.accepted()).toBe(1);
  });

  test('gives back every connection', async () => {
    const server = await http((_, response) => response.end('ok'));
    const capability = open();
    await Promise.all([1, 2, 3].map(() => send(capability, local(), { url: server.origin })));
    expect(capability.openConnections).toBe(3);
    await capability.close();
    await expect.poll(() => capability.openConnections).toBe(0);
  });
});
