import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import { grant, http, local, open, outside, refusal, send } from './outside.ts';

describe('what is not granted', () => {
  test('is refused without any grant, and the line that grants it is printed', async () => {
    const error = await refusal(send(open(), null, { url: 'https://api.example.com/' }));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain('grants of shop in the bundle: http: { hosts: ["api.example.com"] }');
  });

  const rows: readonly (readonly [title: string, request: object, line: string])[] = [
    ['another host', { url: 'https://b.test/' }, 'http: { hosts: ["b.test"] }'],
    ['a name below it', { url: 'https://x.a.test/' }, 'http: { hosts: ["x.a.test"] }'],
    ['a name that ends like it', { url: 'https://evil-a.test/' }, 'http: { hosts: ["evil-a.test"] }'],
    [
      'a name that starts like it',
      { url: 'https://a.test.evil.test/' },
      'http: { hosts: ["a.test.evil.test"] }',
    ],
    ['plain HTTP', { url: 'http://a.test/' }, 'http: { hosts: ["http://a.test"] }'],
    ['plain HTTP on port 443', { url: 'http://a.test:443/' }, 'http: { hosts: ["http://a.test:443"] }'],
    ['another port', { url: 'https://a.test:8443/' }, 'http: { hosts: ["a.test:8443"] }'],
    ['another method', { url: 'https://a.test/', method: 'POST' }, 'http: { methods: [POST] }'],
    [
      'another host and method',
      { url: 'https://b.test/', method: 'PUT' },
      'http: { hosts: ["b.test"], methods: [PUT] }',
    ],
    ['the name above a pattern', { url: 'https://wild.test/' }, 'http: { hosts: ["wild.test"] }'],
    ['a backslash that hides the host', { url: 'https://b.test\\@a.test/' }, 'http: { hosts: ["b.test"] }'],
    ['another script that looks the same', { url: 'https://а.test/' }, 'http: { hosts: ["xn--80a.test"] }'],
  ];
  test.each(rows)('is refused with the line that would grant it: %s', async (_title, request, line) => {
    const lookups: string[] = [];
    const capability = open({
      resolve: async (hostname) => {
        lookups.push(hostname);
        return ['127.0.0.1'];
      },
    });
    const error = await refusal(send(capability, grant({ hosts: ['a.test', '*.wild.test'] }), request));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain(line);
    expect(lookups).toEqual([]);
  });
});

/** Every way to say an address that is not public, to a grant for any host and port. */
describe('an address that is not public', () => {
  const literals = [
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
    '0.1.2.3',
    '%31%32%37.0.0.1',
    '１２７.０.０.１',
    '①②⑦.⓪.⓪.①',
    '127。0。0。1',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:7f00:0001]',
    '[::ffff:0:127.0.0.1]',
    '[::127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b::a9fe:a9fe]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    '[2002:a9fe:a9fe::1]',
    '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
    '[fe80::1]',
    '[fec0::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fd20:ce::254]',
    '[ff02::1]',
    '[100::1]',
    '[2001:db8::1]',
    '[3fff::1]',
    '[5f00::1]',
    '[4000::1]',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.1.1',
    '169.254.169.254',
    '169.254.170.2',
    '0xa9fea9fe',
    '2852039166',
    '[::ffff:169.254.169.254]',
    '100.64.0.1',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '192.0.2.1',
    '192.88.99.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
  ];
  const anywhere = () => grant({ hosts: ['*:*', 'http://*:*'] });

  test.each(literals)('is refused as a literal, with nothing looked up: %s', async (host) => {
    const error = await refusal(send(open(), anywhere(), { url: `http://${host}:1/` }));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toMatch(/http: \{ networks: \["[0-9a-f.:]+\/(32|128)"\] \}/);
  });

  const names: readonly (readonly [title: string, addresses: readonly string[]])[] = [
    ['loopback', ['127.0.0.1']],
    ['IPv6 loopback', ['::1']],
    ['mapped loopback', ['::ffff:127.0.0.1']],
    ['metadata', ['169.254.169.254']],
    ['a public one first', ['93.184.216.34', '10.0.0.1']],
    ['a public one last', ['fd00::1', '2606:2800:220:1:248:1893:25c8:1946']],
  ];
  test.each(names)('is refused as what a name resolves to: %s', async (_title, addresses) => {
    const capability = open({ resolve: async () => addresses });
    const error = await refusal(send(capability, anywhere(), { url: 'http://rebind.test:1/' }));
    expect(error.code).toBe('capability_denied');
  });

  const unreadable: readonly (readonly [title: string, addresses: readonly string[]])[] = [
    ['none', []],
    ['a zone id', ['fe80::1%lo']],
    ['another spelling', ['0x7f.1']],
    ['a short form', ['127.1']],
    ['no address', ['localhost']],
    ['one of several', ['127.0.0.1', '']],
  ];
  test.each(unreadable)('is not guessed from what a resolver gives: %s', async (_title, addresses) => {
    const capability = open({ resolve: async () => addresses });
    const error = await refusal(send(capability, local(), { url: 'http://odd.test:1/' }));
    expect(error.code).toBe('http_unreachable');
  });

  test('localhost is one, by the resolver of the system', async () => {
    const { systemResolve } = await import('../../../host/capability/http/lookups.ts');
    const capability = open({ resolve: systemResolve });
    const error = await refusal(send(capability, anywhere(), { url: 'http://LOCALHOST:1/' }));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain('loopback');
  });

  test('is reached where the grant names its network, in every spelling, and the server sees one address', async () => {
    const server = await http((_, response) => response.end('in'));
    const capability = open();
    const allowed = local();
    for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '127.1']) {
      expect(await send(capability, allowed, { url: `http://${host}:${server.port}/` })).toMatchObject({
        body: 'in',
      });
    }
    const mapped = grant({ hosts: ['http://*:*'], networks: ['127.0.0.1/32'] });
    const url = `http://[::ffff:127.0.0.1]:${server.port}/`;
    expect(await send(capability, mapped, { url })).toMatchObject({ body: 'in' });
  });

  test('outside of the named network is refused', async () => {
    const narrow = grant({ hosts: ['http://*:*'], networks: ['127.0.0.1/32', '10.0.0.0/8'] });
    const error = await refusal(send(open(), narrow, { url: 'http://127.0.0.2:1/' }));
    expect(error.message).toContain('http: { networks: ["127.0.0.2/32"] }');
  });
});

describe('a name that changes its answer', () => {
  test('H2: is looked up once, and the checked address is dialled', async () => {
    const server = await outside(
      createServer((request, response) => response.end(request.socket.localAddress)),
      '127.0.0.2',
    );
    let lookups = 0;
    const capability = open({
      resolve: async () => {
        lookups += 1;
        return lookups === 1 ? ['127.0.0.2'] : ['127.0.0.1'];
      },
    });
    const allowed = grant({ hosts: ['http://rebind.test:*'], networks: ['127.0.0.2/32'] });
    const url = `http://rebind.test:${server.port}/`;
    expect(await send(capability, allowed, { url })).toMatchObject({ body: '127.0.0.2' });
    expect(lookups).toBe(1);
    // The next connection is checked again.
    const fresh = grant({ hosts: ['http://rebind.test:*'], networks: ['127.0.0.2/32'] });
    expect((await refusal(send(capability, fresh, { url }))).code).toBe('capability_denied');
    expect(lookups).toBe(2);
  });

  test('is looked up once for all calls that wait for it', async () => {
    const server = await http((_, response) => response.end('ok'));
    const gate = Promise.withResolvers<void>();
    let lookups = 0;
    const capability = open({
      resolve: async () => {
        lookups += 1;
        await gate.promise;
        return ['127.0.0.1'];
      },
    });
    const allowed = local();
    const calls = Array.from({ length: 20 }, () =>
      send(capability, allowed, { url: `http://api.test:${server.port}/` }),
    );
    gate.resolve();
    expect((await Promise.all(calls)).map(({ body }) => body)).toEqual(Array(20).fill('ok'));
    expect(lookups).toBe(1);
  });
});

describe('an open connection', () => {
  test('H3: is not used for another tenant, provider or grant', async () => {
    const server = await http((_, response) => response.end('ok'));
    const capability = open({ resolve: async () => ['127.0.0.1'] });
    const url = `http://api.test:${server.port}/`;
    const allowed = local();
    await send(capability, allowed, { url }, { tenant: 'one' });
    await send(capability, allowed, { url }, { tenant: 'one', source: 'other' });
    await send(capability, allowed, { url }, { tenant: 'two' });
    expect(server.accepted()).toBe(3);
    const blind = grant({ hosts: ['http://api.test:*'] });
    expect((await refusal(send(capability, blind, { url }, { tenant: 'one' }))).code).toBe(
      'capability_denied',
    );
    expect(server.accepted()).toBe(3);
  });
});
