import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { HttpCapabilityOptions } from '../../../host/capability/http.ts';
import { Secret } from '../../../host/grant/secret.ts';
import { bodyOf, http, local, type Outside, open, refusal, send } from './outside.ts';

/** Answers every request with what came in. */
const mirror = (): Promise<Outside> =>
  http(async (request, response) => {
    const { method, url, headers } = request;
    response.end(JSON.stringify({ method, url, headers, body: await bodyOf(request) }));
  });

const VALUES: Readonly<Record<string, string>> = {
  KEY: 'hush-of-demo',
  OTHER: 'other-of-demo',
  SIGNING: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
};

const keeper = (more: HttpCapabilityOptions = {}) =>
  open({
    resolve: async () => ['127.0.0.1'],
    secretOf: (tenant, name) => new Secret(name, tenant === 'demo' ? (VALUES[name] ?? '') : 'of-another'),
    now: () => 1_614_265_330_999,
    ...more,
  });

async function headersOf(work: ReturnType<typeof send>): Promise<Record<string, string>> {
  return JSON.parse((await work).body).headers;
}

describe('H7: a credential', () => {
  test('is attached by the host, the tenant’s own, and the guest sees nothing of it', async () => {
    const server = await mirror();
    const capability = keeper();
    const allowed = local({ auth: 'KEY' });
    const headers = await headersOf(send(capability, allowed, { url: server.origin }));
    expect(headers.authorization).toBe('Bearer hush-of-demo');
    const other = await headersOf(send(capability, allowed, { url: server.origin }, { tenant: 'acme' }));
    expect(other.authorization).toBe('Bearer of-another');
  });

  test('goes to the hosts that it names, and nowhere else', async () => {
    const server = await mirror();
    const capability = keeper();
    const allowed = local({ auth: { secret: 'KEY', header: 'x-key', hosts: ['http://a.test:*'] } });
    const at = (host: string) =>
      headersOf(send(capability, allowed, { url: `http://${host}:${server.port}/` }));
    expect((await at('a.test'))['x-key']).toBe('hush-of-demo');
    expect(await at('b.test')).not.toHaveProperty('x-key');
    expect(await at('127.0.0.1')).not.toHaveProperty('x-key');
  });

  test('is the first that goes there, or the one that the request names', async () => {
    const server = await mirror();
    const capability = keeper();
    const allowed = local({ auth: [{ secret: 'KEY', hosts: ['http://a.test:*'] }, 'OTHER'] });
    const url = `http://a.test:${server.port}/`;
    expect((await headersOf(send(capability, allowed, { url }))).authorization).toBe('Bearer hush-of-demo');
    expect((await headersOf(send(capability, allowed, { url, auth: 'OTHER' }))).authorization).toBe(
      'Bearer other-of-demo',
    );
  });

  test.each([
    ['that the grant does not have', 'NOBODYS', 'http://a.test'],
    ['that does not go there', 'KEY', 'http://b.test'],
    ['with an odd name', 'a b"\n', 'http://a.test'],
  ])('%s is denied, and nothing is sent', async (_title, auth, origin) => {
    const server = await mirror();
    const allowed = local({ auth: { secret: 'KEY', hosts: ['http://a.test:*'] } });
    const error = await refusal(send(keeper(), allowed, { url: `${origin}:${server.port}/`, auth }));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain('auth: [{ secret: ');
    expect(server.accepted()).toBe(0);
  });

  test('that is named is denied by a grant without any', async () => {
    const error = await refusal(send(keeper(), local(), { url: 'http://a.test/', auth: 'KEY' }));
    expect(error.code).toBe('capability_denied');
  });

  test.each(['authorization', 'Authorization', 'AUTHORIZATION'])(
    'is not the guest’s to write: %s is refused',
    async (name) => {
      const server = await mirror();
      const request = { url: server.origin, headers: { [name]: 'Bearer mine' } };
      const error = await refusal(send(keeper(), local({ auth: 'KEY' }), request));
      expect(error.code).toBe('http_request_invalid');
      expect(error.message).toContain('the header authorization is attached by the host here');
      expect(server.accepted()).toBe(0);
    },
  );

  test('is no reason to refuse the guest’s own where none is attached', async () => {
    const server = await mirror();
    const allowed = local({ auth: { secret: 'KEY', hosts: ['http://a.test:*'] } });
    const request = { url: server.origin, headers: { authorization: 'Bearer mine' } };
    expect((await headersOf(send(keeper(), allowed, request))).authorization).toBe('Bearer mine');
  });

  test('is attached to nothing that the grant does not allow', async () => {
    let asked = 0;
    const capability = keeper({
      secretOf: (_tenant, name) => {
        asked += 1;
        return new Secret(name, 'hush');
      },
    });
    await refusal(send(capability, local({ auth: 'KEY' }), { url: 'http://evil.example/' }));
    await refusal(send(capability, local({ auth: 'KEY' }), { url: 'http://a.test/', method: 'PATCH' }));
    expect(asked).toBe(0);
  });

  test('does not go to a public address in plain HTTP, by whatever name', async () => {
    const capability = keeper({ resolve: async () => ['127.0.0.1', '93.184.216.34'] });
    const allowed = local({ auth: 'KEY' });
    const error = await refusal(send(capability, allowed, { url: 'http://a.test:1/' }));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain('to a public address in plain HTTP');
  });

  test('stands in no problem of a request that failed', async () => {
    const allowed = local({ auth: 'KEY' });
    const error = await refusal(send(keeper(), allowed, { url: 'http://127.0.0.1:1/' }));
    expect(error.code).toBe('http_unreachable');
    expect(JSON.stringify([error.message, error.problems, String(error.cause)])).not.toContain('hush');
  });
});

describe('H6: a credential and a redirect', () => {
  const moving = (location: string, status = 307): Promise<Outside> =>
    http((_, response) => response.writeHead(status, { location }).end());

  test('it stays behind when the origin changes, even to a host that it would go to', async () => {
    const target = await mirror();
    for (const location of [`http://b.test:${target.port}/`, target.origin]) {
      const server = await moving(location);
      const allowed = local({
        redirects: 1,
        auth: [{ secret: 'KEY' }, { secret: 'OTHER', header: 'x-key' }],
        sign: { secret: 'SIGNING', scheme: 'standard-webhooks' },
      });
      for (const auth of ['KEY', 'OTHER']) {
        const request = { url: `http://a.test:${server.port}/`, method: 'POST', body: 'x', auth };
        const headers = await headersOf(send(keeper(), allowed, request));
        expect(Object.keys(headers).filter((name) => /authorization|x-key|webhook/.test(name))).toEqual([]);
      }
    }
  });

  test('it goes along within the origin, the signature as long as the body does', async () => {
    const server = await http(async (request, response) => {
      const status = Number(request.url?.slice(1));
      if (status > 0) response.writeHead(status, { location: '/' }).end();
      else response.end(JSON.stringify({ headers: request.headers, body: await bodyOf(request) }));
    });
    const allowed = local({
      redirects: 1,
      auth: 'KEY',
      sign: { secret: 'SIGNING', scheme: 'standard-webhooks' },
    });
    for (const status of [307, 303]) {
      const request = { url: `${server.origin}/${status}`, method: 'POST', body: 'x' };
      const headers = await headersOf(send(keeper(), allowed, request));
      expect(headers.authorization).toBe('Bearer hush-of-demo');
      expect('webhook-signature' in headers).toBe(status === 307);
    }
  });
});

describe('a signature', () => {
  const allowed = () => local({ sign: { secret: 'SIGNING', scheme: 'standard-webhooks' } });
  const expected = (id: string, body: string) =>
    `v1,${createHmac('sha256', Buffer.alloc(32, 7)).update(`${id}.1614265330.${body}`).digest('base64')}`;

  test('is made over the bytes that are sent, the id and the time', async () => {
    const server = await mirror();
    for (const body of ['{"a":"ä"}', '', 'x'.repeat(10_000)]) {
      const headers = await headersOf(
        send(keeper(), allowed(), { url: server.origin, method: 'POST', body }),
      );
      const { 'webhook-id': id = '', 'webhook-timestamp': at, 'webhook-signature': signature } = headers;
      expect(id).toMatch(/^msg_[A-Za-z0-9_-]{32}$/);
      expect(at).toBe('1614265330');
      expect(signature).toBe(expected(id, body));
    }
  });

  test('has the id that the guest gives, so that a repeat has the same one', async () => {
    const server = await mirror();
    const request = { url: server.origin, method: 'POST', body: 'x', headers: { 'webhook-id': 'order-42' } };
    const headers = await headersOf(send(keeper(), allowed(), request));
    expect(headers).toMatchObject({
      'webhook-id': 'order-42',
      'webhook-signature': expected('order-42', 'x'),
    });
  });

  test.each([
    ['another timestamp', { 'webhook-timestamp': '1' }],
    ['another signature', { 'Webhook-Signature': 'v1,x' }],
    ['an id with a dot, which would move the timestamp', { 'webhook-id': 'a.1614265331' }],
    ['an empty id', { 'webhook-id': '' }],
  ])('is not the guest’s to write: %s is refused', async (_title, headers) => {
    const server = await mirror();
    const request = { url: server.origin, method: 'POST', body: 'x', headers };
    expect((await refusal(send(keeper(), allowed(), request))).code).toBe('http_request_invalid');
    expect(server.accepted()).toBe(0);
  });

  test('is not made where there is no body', async () => {
    const server = await mirror();
    const headers = await headersOf(send(keeper(), allowed(), { url: server.origin }));
    expect(headers).not.toHaveProperty('webhook-signature');
  });
});
