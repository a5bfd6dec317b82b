import { createServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { type Certificate, certificate } from './certificate.ts';
import { grant, open, outside, refusal, send } from './outside.ts';

const allowed = () => grant({ hosts: ['*.test:*', '127.0.0.1:*'], networks: ['127.0.0.0/8'] });

/** Answers with the name that the client asked for while the connection was made. */
const secure = (own: Certificate) =>
  outside(
    createServer(own, (request, response) => {
      const { servername } = request.socket as TLSSocket & { servername: string | false };
      response.end(`${servername === false ? '-' : servername} ${request.headers.host}`);
    }),
  );

const resolve = async () => ['127.0.0.1'];

describe('over TLS', () => {
  test('the name of the host is asked for and checked, though an address is dialled', async () => {
    const own = certificate(['api.test']);
    const server = await secure(own);
    const capability = open({ resolve, ca: own.cert });
    const good = await send(capability, allowed(), { url: `https://api.test:${server.port}/` });
    expect(good.body).toBe(`api.test api.test:${server.port}`);
    const bad = await refusal(send(capability, allowed(), { url: `https://other.test:${server.port}/` }));
    expect(bad.code).toBe('http_tls_failed');
    expect(bad.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  test('an address is checked as one', async () => {
    const own = certificate(['127.0.0.1']);
    const server = await secure(own);
    const sent = await send(open({ ca: own.cert }), allowed(), { url: `https://127.0.0.1:${server.port}/` });
    expect(sent.body).toBe(`- 127.0.0.1:${server.port}`);
    const other = certificate(['127.0.0.9']);
    const server2 = await secure(other);
    const error = await refusal(
      send(open({ ca: other.cert }), allowed(), { url: `https://127.0.0.1:${server2.port}/` }),
    );
    expect(error.code).toBe('http_tls_failed');
  });

  test.each([
    ['nobody vouches for', certificate(['api.test']), undefined],
    ['has expired', certificate(['api.test'], '20210101000000Z'), true],
  ])('a certificate that %s is refused', async (_title, own, known) => {
    const server = await secure(own);
    const capability = open({ resolve, ...(known === undefined ? {} : { ca: own.cert }) });
    const error = await refusal(send(capability, allowed(), { url: `https://api.test:${server.port}/` }));
    expect(error.code).toBe('http_tls_failed');
    expect(error.retryable).toBe(false);
  });

  test('a server that speaks none is refused', async () => {
    const server = await outside(createTcpServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')));
    const error = await refusal(
      send(open({ resolve }), allowed(), { url: `https://api.test:${server.port}/` }),
    );
    expect(error.code).toBe('http_tls_failed');
  });

  test('a server that hangs up in the middle is unreachable', async () => {
    const server = await outside(
      createTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy())),
    );
    const error = await refusal(
      send(open({ resolve }), allowed(), { url: `https://api.test:${server.port}/` }),
    );
    expect(error.code).toBe('http_unreachable');
  });
});
