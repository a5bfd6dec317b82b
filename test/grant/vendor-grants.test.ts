import { describe, expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { flowGrantsShape } from '../../host/grant/flow-grants.ts';
import {
  grantExample,
  grantedCapabilities,
  grantsShape,
  NO_GRANTS,
  parseGrants,
} from '../../host/grant/grants.ts';
import { Secret } from '../../host/grant/secret.ts';
import { secretUses } from '../../host/grant/secret-use.ts';
import { parseRate } from '../../host/written/rate.ts';
import { parseYamlShape, readYaml } from '../../host/yaml.ts';

const ACCOUNT = `AC${'0'.repeat(32)}`;
const mail = { key: 'KEY', from: ['a@example.com'], to: ['*'] };
const sms = { account: ACCOUNT, auth_token: 'TOKEN', from: ['+15005550006'], to: ['+41'] };

const grants = (written: object) => parseGrants(grantsShape.parse(written));

/** Messages about a grant, with the place of each. */
function problems(written: object): string {
  try {
    parseYamlShape(readYaml(JSON.stringify(written), 'b'), grantsShape, 'bundle_invalid');
  } catch (error) {
    if (error instanceof GtpackError) return error.problems.map(({ message }) => message).join('\n');
    throw error;
  }
  throw new Error('It was taken.');
}

describe('a grant of email', () => {
  test('means the account at the vendor’s own address, a modest rate, and nothing else', () => {
    const { sendgrid } = grants({ sendgrid: mail });
    expect(sendgrid).toMatchObject({
      key: 'KEY',
      origin: 'https://api.sendgrid.com',
      rate: { text: '100/min' },
      templates: null,
      sandboxOnly: false,
      bypass: false,
    });
    const { http } = sendgrid ?? {};
    expect(http).toMatchObject({ methods: ['POST'], networks: [], timeoutMs: 10_000, redirects: 0 });
    expect(http?.hosts.map(({ text }) => text)).toEqual(['api.sendgrid.com']);
    expect(grantedCapabilities(grants({ sendgrid: mail }))).toEqual(['sendgrid']);
    expect(NO_GRANTS.sendgrid).toBeNull();
  });

  test.each<[string, object, string]>([
    ['without a key', { key: undefined }, 'sendgrid.key'],
    ['with a key itself in place of its name', { key: 'SG.abc' }, 'sendgrid.key: the name of a secret'],
    ['from nobody', { from: [] }, 'sendgrid.from: 1 to 100 entries'],
    ['to nobody', { to: undefined }, 'sendgrid.to'],
    ['from a domain', { from: ['example.com'] }, 'sendgrid.from.0: an address such as'],
    ['to a name', { to: ['Ann <ann@example.com>'] }, 'sendgrid.to.0'],
    ['with a rate without end', { rate: '1000000000000/s' }, 'sendgrid.rate: a rate such as'],
    ['with a rate of none', { rate: '0/min' }, 'sendgrid.rate'],
    ['with a rate that is a number', { rate: 100 }, 'sendgrid.rate'],
    ['to a host without a scheme', { base_url: 'api.sendgrid.com' }, 'sendgrid.base_url: a URL such as'],
    ['to any host', { base_url: 'https://*' }, 'sendgrid.base_url'],
    ['to any port', { base_url: 'https://a.example:*' }, 'sendgrid.base_url'],
    ['to a path', { base_url: 'https://a.example/v3' }, 'sendgrid.base_url'],
    ['with a password', { base_url: 'https://a:b@a.example' }, 'sendgrid.base_url'],
    ['by another protocol', { base_url: 'ftp://a.example' }, 'sendgrid.base_url'],
    [
      'in plain HTTP',
      { base_url: 'http://a.example' },
      'The key goes out in plain HTTP only within networks',
    ],
    ['with a network that is none', { networks: ['localhost'] }, 'sendgrid.networks.0'],
    ['with templates that are none', { templates: ['a b'] }, 'sendgrid.templates.0'],
    ['with a word for a flag', { sandbox_only: 'yes' }, 'sendgrid.sandbox_only: true or false'],
    ['with a key that is not known', { recipients: ['*'] }, 'Unknown key "recipients"'],
  ])('is refused %s, with its place', (_title, more, message) => {
    expect(problems({ sendgrid: { ...mail, ...more } })).toContain(message);
  });

  test('goes to a fake in plain HTTP where its network is named', () => {
    const { sendgrid } = grants({
      sendgrid: { ...mail, base_url: 'http://127.0.0.1:4010/', networks: ['127.0.0.0/8'] },
    });
    expect(sendgrid?.origin).toBe('http://127.0.0.1:4010');
  });
});

describe('a grant of messages', () => {
  test('means the account at the vendor’s own address, a modest rate, and nothing else', () => {
    expect(grants({ twilio: sms }).twilio).toMatchObject({
      account: ACCOUNT,
      origin: 'https://api.twilio.com',
      rate: { text: '60/min' },
      media: [],
      statusCallback: null,
    });
  });

  test.each<[string, object, string]>([
    ['without an account', { account: undefined }, 'twilio.account'],
    ['with an account that is none', { account: 'AC1' }, 'twilio.account: the sid of an account'],
    ['without a key', { auth_token: undefined }, 'Either auth_token was expected, or api_key with secret'],
    ['with two keys', { api_key: `SK${'1'.repeat(32)}`, secret: 'S' }, 'Either auth_token'],
    ['with half a key', { auth_token: undefined, secret: 'S' }, 'Either auth_token'],
    ['from a number without a country', { from: ['0791234567'] }, 'twilio.from.0'],
    ['from anybody', { from: ['*'] }, 'twilio.from.0: a sender such as'],
    ['to digits alone', { to: ['41'] }, 'twilio.to.0: the beginning of numbers'],
    ['to a country by its name', { to: ['CH'] }, 'twilio.to.0'],
    [
      'with media in plain HTTP',
      { media: ['http://a.example'] },
      'twilio.media.0: Media are fetched by https',
    ],
    [
      'with a callback in plain HTTP',
      { status_callback: 'http://a.example/x' },
      'twilio.status_callback: https was',
    ],
    [
      'with a callback with a query',
      { status_callback: 'https://a.example/x?y' },
      'twilio.status_callback: a URL',
    ],
    ['in plain HTTP', { base_url: 'http://a.example' }, 'twilio.base_url: The key goes out'],
  ])('is refused %s, with its place', (_title, more, message) => {
    expect(problems({ twilio: { ...sms, ...more } })).toContain(message);
  });
});

describe('the secrets of vendors', () => {
  test('are those that the grants name, each at its place, and have to be of use', () => {
    const byToken = grants({ sendgrid: mail, twilio: sms });
    const byKey = grants({
      twilio: { ...sms, auth_token: undefined, api_key: `SK${'1'.repeat(32)}`, secret: 'S' },
    });
    expect(secretUses(byToken).map(({ name, path }) => [name, path.join('.')])).toEqual([
      ['KEY', 'sendgrid.key'],
      ['TOKEN', 'twilio.auth_token'],
    ]);
    expect(secretUses(byKey).map(({ name, path }) => [name, path.join('.')])).toEqual([
      ['S', 'twilio.secret'],
    ]);
    const [key] = secretUses(byToken);
    expect(key?.faultOf(new Secret('KEY', 'SG.a\nb'))).toContain('cannot carry');
    expect(key?.faultOf(new Secret('KEY', 'SG.a'))).toBeUndefined();
  });
});

describe('the examples', () => {
  test('of grants are grants as they stand, but for the sid', () => {
    for (const name of ['sendgrid', 'twilio'] as const) {
      const example = (grantExample(name) ?? '').replace('AC…', ACCOUNT);
      const yaml = readYaml(example, 'b');
      expect(parseYamlShape(yaml, grantsShape, 'bundle_invalid')).toHaveProperty(name);
    }
  });

  test('are no grants of flows, which send through providers', () => {
    for (const written of [{ sendgrid: mail }, { twilio: sms }]) {
      const parsed = flowGrantsShape.safeParse(written);
      expect(parsed.error?.issues[0]?.message).toContain('only providers do');
    }
  });
});

test.each([
  ['10/s', 10, 1000],
  ['100/min', 100, 60_000],
  ['1000/h', 1000, 3_600_000],
  ['5000/d', 5000, 86_400_000],
])('the rate %s', (text, count, periodMs) => {
  expect(parseRate(text)).toEqual({ count, periodMs, text });
});

test.each(['', '10', '/s', '10/m', '10 /s', '-1/s', '1.5/s', '0/s', '01/s', '10/s '])(
  '%j is no rate',
  (text) => {
    expect(parseRate(text)).toBeUndefined();
  },
);
