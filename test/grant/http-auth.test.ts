import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { httpGrantShape, parseHttpGrant } from '../../host/grant/http-grant.ts';
import { Secret } from '../../host/grant/secret.ts';

const grant = (written: object) => parseHttpGrant(httpGrantShape.parse({ hosts: ['a.test'], ...written }));
const sent = (auth: unknown, value = 'hush') => {
  const [credential] = grant({ auth }).credentials;
  if (credential === undefined) throw new Error('no credential');
  return `${credential.header}: ${credential.valueOf(new Secret('KEY', value))}`;
};

describe('a credential', () => {
  test.each([
    ['by its name alone', 'KEY', 'authorization: Bearer hush'],
    ['in a mapping', { secret: 'KEY' }, 'authorization: Bearer hush'],
    ['as bearer', { secret: 'KEY', scheme: 'bearer' }, 'authorization: Bearer hush'],
    ['with a prefix of its own', { secret: 'KEY', prefix: 'Token ' }, 'authorization: Token hush'],
    ['in a header of its own', { secret: 'KEY', header: 'X-API-Key' }, 'x-api-key: hush'],
    ['in a header with a prefix', { secret: 'KEY', header: 'x-key', prefix: 'k=' }, 'x-key: k=hush'],
    [
      'as basic with a user',
      { secret: 'KEY', scheme: 'basic', user: 'shöp' },
      `authorization: Basic ${Buffer.from('shöp:hush').toString('base64')}`,
    ],
    [
      'as basic with no user name',
      { secret: 'KEY', scheme: 'basic', user: '' },
      `authorization: Basic ${Buffer.from(':hush').toString('base64')}`,
    ],
  ])('is written %s', (_title, auth, header) => {
    expect(sent(auth)).toBe(header);
  });

  test('as basic without a user is the whole pair', () => {
    expect(sent({ secret: 'KEY', scheme: 'basic' }, 'user:pass')).toBe(
      `authorization: Basic ${Buffer.from('user:pass').toString('base64')}`,
    );
    const [credential] = grant({ auth: { secret: 'KEY', scheme: 'basic' } }).credentials;
    expect(credential?.faultOf(new Secret('KEY', 'no-pair'))).toContain('USER:PASSWORD');
  });

  test.each(['two\nlines', 'ends ', 'schlüssel', 'nul\0'])('cannot be made of %j', (value) => {
    const [credential] = grant({ auth: 'KEY' }).credentials;
    const fault = credential?.faultOf(new Secret('KEY', value));
    expect(fault).toContain('characters that the header authorization cannot carry');
    expect(fault).not.toContain(value);
  });

  test('goes to the hosts of the grant, or to those that it names, and the first that fits is taken', () => {
    const allowed = grant({
      hosts: ['*.a.test', 'b.test:*', 'c.test'],
      auth: [
        { secret: 'ONE', hosts: ['x.a.test', 'b.test:8443'] },
        { secret: 'TWO', hosts: ['*.a.test'] },
      ],
    });
    const nameAt = (url: string, name: string | null = null) =>
      allowed.credentialFor(new URL(url), name)?.secret;
    expect(nameAt('https://x.a.test/')).toBe('ONE');
    expect(nameAt('https://x.a.test/', 'TWO')).toBe('TWO');
    expect(nameAt('https://y.a.test/')).toBe('TWO');
    expect(nameAt('https://y.a.test/', 'ONE')).toBeUndefined();
    expect(nameAt('https://b.test:8443/')).toBe('ONE');
    expect(nameAt('https://b.test/')).toBeUndefined();
    expect(nameAt('https://c.test/')).toBeUndefined();
  });

  const loopback = { hosts: ['http://127.0.0.1:80'] };
  const refused: readonly (readonly [title: string, written: object, message: string, path: string])[] = [
    ['a number', { auth: 5 }, 'a mapping was expected; 5 came.', 'auth'],
    ['an empty list', { auth: [] }, '1 to 16 credentials', 'auth'],
    ['17 of them', { auth: Array(17).fill('KEY') }, '1 to 16 credentials', 'auth'],
    ['a name with a dash', { auth: 'MY-KEY' }, 'the name of a secret', 'auth'],
    ['no secret', { auth: { scheme: 'bearer' } }, 'the name of a secret', 'auth.secret'],
    ['another scheme', { auth: [{ secret: 'K', scheme: 'digest' }] }, '"bearer" or "basic"', 'auth.0.scheme'],
    ['an unknown key', { auth: { secret: 'K', head: 'x' } }, 'Did you mean "header"?', 'auth'],
    [
      'a user with bearer',
      { auth: { secret: 'K', user: 'u' } },
      'no meaning with the scheme bearer',
      'auth.user',
    ],
    [
      'a header with basic',
      { auth: ['K', { secret: 'K', scheme: 'basic', header: 'x' }] },
      'no meaning with the scheme basic',
      'auth.1.header',
    ],
    [
      'a user with a colon',
      { auth: { secret: 'K', scheme: 'basic', user: 'a:b' } },
      'without ":"',
      'auth.user',
    ],
    [
      'a header with a space',
      { auth: { secret: 'K', header: 'x y' } },
      'the name of a header',
      'auth.header',
    ],
    ['a header of the host', { auth: { secret: 'K', header: 'Host' } }, "the host's to write", 'auth.header'],
    [
      'a header that crosses origins',
      { auth: { secret: 'K', header: 'User-Agent' } },
      'carries no credentials',
      'auth.header',
    ],
    [
      'a prefix with a line break',
      { auth: { secret: 'K', prefix: 'a\n' } },
      'visible characters',
      'auth.prefix',
    ],
    [
      'a host that is not granted',
      { auth: { secret: 'K', hosts: ['b.test'] } },
      'does not allow the host b.test',
      'auth.hosts.0',
    ],
    [
      'a wider pattern than the grant',
      { hosts: ['x.a.test'], auth: [{ secret: 'K', hosts: ['*.a.test'] }] },
      'does not allow the host *.a.test',
      'auth.0.hosts.0',
    ],
    [
      'another port',
      { auth: { secret: 'K', hosts: ['a.test:*'] } },
      'does not allow the host a.test:*',
      'auth.hosts.0',
    ],
    ['any host', { hosts: ['*'], auth: 'K' }, 'may not go to any host', 'auth'],
    [
      'any host by name',
      { hosts: ['*:*'], auth: { secret: 'K', hosts: ['*'] } },
      'may not go to any host',
      'auth.hosts.0',
    ],
    [
      'plain HTTP',
      { hosts: ['a.test', 'http://a.test'], auth: 'K' },
      'in plain HTTP only within networks',
      'auth',
    ],
    [
      'plain HTTP to loopback that is not granted',
      { ...loopback, auth: 'K' },
      'networks: ["127.0.0.0/8"]',
      'auth',
    ],
    [
      'another scheme of signature',
      { sign: { secret: 'K', scheme: 'hmac' } },
      '"standard-webhooks" was expected',
      'sign.scheme',
    ],
    [
      'the header of the signature',
      {
        sign: { secret: 'K', scheme: 'standard-webhooks' },
        auth: { secret: 'K', header: 'webhook-signature' },
      },
      'is that of the signature',
      'auth.header',
    ],
  ];
  test.each(refused)('is refused with its place: %s', (_title, written, message, path) => {
    const parsed = httpGrantShape.safeParse({ hosts: ['a.test'], ...written });
    expect(parsed.error?.issues).toMatchObject([
      {
        message: expect.stringContaining(message),
        path: path.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part)),
      },
    ]);
  });

  test('goes over plain HTTP where the grant names networks, and to any host but for the credential', () => {
    grant({ ...loopback, networks: ['127.0.0.0/8'], auth: 'K' });
    grant({ hosts: ['*', 'a.test'], auth: { secret: 'K', hosts: ['a.test'] } });
    grant({ hosts: ['*'], auth: { secret: 'K', hosts: ['*.a.test'] } });
  });

  test('beside wrong hosts is not judged', () => {
    const parsed = httpGrantShape.safeParse({ hosts: ['a.test/x'], auth: 'KEY' });
    expect(parsed.error?.issues.map(({ message }) => message)).toEqual([
      expect.stringContaining('without a path or credentials'),
    ]);
  });
});

describe('a signature', () => {
  const { signing } = grant({ sign: { secret: 'KEY', scheme: 'standard-webhooks' } });
  const key = (value: string) => new Secret('KEY', value);

  // The vector of the reference implementations of Standard Webhooks.
  test.each(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'])(
    'is that of the specification, with the key %s',
    (secret) => {
      const body = Buffer.from('{"test": 2432232314}');
      expect(signing?.signatureOf(key(secret), 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, body)).toBe(
        'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      );
    },
  );

  test.each([
    ['too short', `whsec_${Buffer.alloc(23).toString('base64')}`],
    ['too long', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['no base64', 'whsec_not base64 at all, though long enough'],
    ['empty', 'whsec_'],
  ])('cannot be made with a key that is %s', (_title, value) => {
    expect(signing?.faultOf(key(value))).toContain('24 to 64 bytes in base64');
  });

  test.each([24, 32, 64])('can be made with a key of %i bytes', (bytes) => {
    expect(signing?.faultOf(key(Buffer.alloc(bytes).toString('base64')))).toBeUndefined();
  });
});
