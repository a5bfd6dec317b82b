import { describe, expect, test } from 'vitest';
import { bodyOf, grant, http, local, type Outside, open, refusal, send } from './outside.ts';

/** Answers every request with what came in. */
const mirror = (): Promise<Outside> =>
  http(async (request, response) => {
    const { method, url, headers } = request;
    response.end(JSON.stringify({ method, url, headers, body: await bodyOf(request) }));
  });

const redirecting = (location: string, status = 302): Promise<Outside> =>
  http((_, response) => response.writeHead(status, { location }).end('moved'));

interface Mirrored {
  readonly method: string;
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
}

describe('a redirect', () => {
  test('is the guest’s to see where the grant follows none', async () => {
    const server = await redirecting('file:///etc/passwd');
    const sent = await send(open(), local(), { url: server.origin });
    expect(sent).toMatchObject({ status: 302, headers: { location: 'file:///etc/passwd' }, body: 'moved' });
  });

  test('is followed as often as the grant says, and no further', async () => {
    const server = await http((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end('there');
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    const capability = open();
    const allowed = local({ redirects: 3 });
    expect(await send(capability, allowed, { url: `${server.origin}/3` })).toMatchObject({ body: 'there' });
    const error = await refusal(send(capability, allowed, { url: `${server.origin}/4` }));
    expect(error.code).toBe('http_redirects_too_many');
  });

  test('in a circle ends', async () => {
    const server = await redirecting('/again');
    const error = await refusal(send(open(), local({ redirects: 10 }), { url: server.origin }));
    expect(error.code).toBe('http_redirects_too_many');
  });

  test('without a location is an answer', async () => {
    const server = await http((_, response) => response.writeHead(302).end());
    expect(await send(open(), local({ redirects: 3 }), { url: server.origin })).toMatchObject({
      status: 302,
    });
  });

  test('304 and 300 are answers, whatever location they name', async () => {
    for (const status of [300, 304]) {
      const server = await redirecting('http://nowhere.test/', status);
      expect(await send(open(), local({ redirects: 3 }), { url: server.origin })).toMatchObject({ status });
    }
  });
});

describe('H1: a redirect is checked like a request of its own', () => {
  const refused: readonly (readonly [title: string, location: string, expected: string])[] = [
    ['to an ungranted host', 'https://evil.example/', 'hosts: ["evil.example"]'],
    ['to an ungranted host without a scheme', '//evil.example/', 'hosts: ["http://evil.example"]'],
    ['to another scheme of a granted host', 'https://api.test/', 'hosts: ["api.test"]'],
    ['to metadata', 'http://169.254.169.254/latest/meta-data/', 'hosts: ["http://169.254.169.254"]'],
    ['to metadata by a granted name', 'http://meta.test/', 'networks: ["169.254.169.254/32"]'],
    ['to a private address by a granted name', 'http://private.test/', 'networks: ["10.0.0.1/32"]'],
    ['to IPv6 loopback by a granted name', 'http://six.test/', 'networks: ["::1/128"]'],
    ['to an address in another spelling', 'http://0xa9fea9fe/', 'hosts: ["http://169.254.169.254"]'],
    ['to a file', 'file:///etc/passwd', 'has the scheme "file:"'],
    ['to data', 'data:text/plain,x', 'has the scheme "data:"'],
    ['to FTP', 'ftp://127.0.0.1/', 'has the scheme "ftp:"'],
    ['to JavaScript', 'javascript:alert(1)', 'has the scheme "javascript:"'],
    ['to a URL with credentials', 'http://user:hush@api.test/', 'user name or password'],
  ];
  test.each(refused)('%s is refused', async (_title, location, expected) => {
    const server = await redirecting(location);
    const addresses: Record<string, string> = {
      'meta.test': '169.254.169.254',
      'private.test': '10.0.0.1',
      'six.test': '::1',
    };
    const capability = open({ resolve: async (hostname) => [addresses[hostname] ?? '127.0.0.1'] });
    const error = await refusal(send(capability, local({ redirects: 5 }), { url: server.origin }));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain(expected);
    expect(error.message).not.toContain('hush');
  });

  test('to an ungranted port is refused, and says who redirected', async () => {
    const target = await mirror();
    const server = await redirecting(target.origin);
    const narrow = local({ hosts: [server.origin], redirects: 1 });
    const error = await refusal(send(open(), narrow, { url: server.origin }));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain(`where ${server.origin} redirected it`);
    expect(target.accepted()).toBe(0);
  });

  test('that turns into an ungranted method is refused', async () => {
    const server = await redirecting('/next', 303);
    const posting = local({ methods: ['POST'], redirects: 1 });
    const error = await refusal(send(open(), posting, { url: server.origin, method: 'POST' }));
    expect(error.message).toContain('methods: [GET]');
  });

  test('to no URL, or to two, is an invalid answer', async () => {
    const nowhere = await redirecting('http://');
    expect((await refusal(send(open(), local({ redirects: 1 }), { url: nowhere.origin }))).code).toBe(
      'http_response_invalid',
    );
    const two = await http((_, response) =>
      response.writeHead(302, ['location', '/a', 'location', '/b']).end(),
    );
    expect((await refusal(send(open(), local({ redirects: 1 }), { url: two.origin }))).code).toBe(
      'http_response_invalid',
    );
  });
});

describe('what a redirected request carries', () => {
  const rows: readonly (readonly [status: number, method: string, becomes: string, body: string])[] = [
    [301, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [303, 'POST', 'GET', ''],
    [303, 'PUT', 'GET', ''],
    [303, 'HEAD', 'HEAD', ''],
    [301, 'PUT', 'PUT', 'body'],
    [302, 'DELETE', 'DELETE', 'body'],
    [307, 'POST', 'POST', 'body'],
    [308, 'POST', 'POST', 'body'],
  ];
  test.each(rows)('after %i a %s is a %s', async (status, method, becomes, body) => {
    let came = '';
    const server = await http(async (request, response) => {
      if (request.url === '/') {
        response.writeHead(status, { location: '/next' }).end();
        return;
      }
      came = `${request.method} ${await bodyOf(request)} ${request.headers['content-type'] ?? '-'}`;
      response.end();
    });
    await send(open(), local({ redirects: 1 }), {
      url: server.origin,
      method,
      headers: { 'content-type': 'text/plain' },
      ...(method === 'HEAD' ? {} : { body: 'body' }),
    });
    const type = becomes === 'GET' ? '-' : 'text/plain';
    expect(came).toBe(`${becomes} ${body} ${type}`);
  });

  const secrets = {
    authorization: 'Bearer hush',
    cookie: 'session=hush',
    'x-api-key': 'hush',
    'x-auth-token': 'hush',
    referer: 'https://a.test/?token=hush',
  };

  test('H6: leaves credentials behind when it crosses origins, whatever their header is called', async () => {
    const target = await mirror();
    const server = await redirecting(target.origin, 307);
    const sent = await send(open(), local({ redirects: 1 }), {
      url: server.origin,
      method: 'POST',
      headers: { ...secrets, accept: 'text/plain', 'content-type': 'text/plain' },
      body: 'body',
    });
    const { headers, body } = JSON.parse(sent.body) as Mirrored;
    expect(JSON.stringify(headers)).not.toContain('hush');
    expect(headers).toMatchObject({
      accept: 'text/plain',
      'content-type': 'text/plain',
      'user-agent': 'gtpack',
    });
    expect(body).toBe('body');
  });

  test('H6: does not get them back on the way home', async () => {
    const home = await http((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: `${away.origin}/` }).end();
      else response.end(JSON.stringify(request.headers));
    });
    const away = await http((_, response) =>
      response.writeHead(302, { location: `${home.origin}/back` }).end(),
    );
    const sent = await send(open(), local({ redirects: 2 }), { url: home.origin, headers: secrets });
    expect(sent.status).toBe(200);
    expect(sent.body).not.toContain('hush');
  });

  test('keeps them within the origin', async () => {
    const server = await http((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: '/next' }).end();
      else response.end(JSON.stringify(request.headers));
    });
    const sent = await send(open(), local({ redirects: 1 }), { url: server.origin, headers: secrets });
    expect(JSON.parse(sent.body)).toMatchObject(secrets);
  });

  test('treats another port and another scheme as another origin', async () => {
    const target = await mirror();
    const server = await redirecting(`http://127.0.0.1:${target.port}/`);
    const allowed = grant({ hosts: ['http://127.0.0.1:*'], networks: ['127.0.0.0/8'], redirects: 1 });
    const sent = await send(open(), allowed, { url: server.origin, headers: secrets });
    expect(sent.body).not.toContain('hush');
  });
});
