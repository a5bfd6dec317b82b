import { Buffer } from 'node:buffer';
import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { requestOf, text, verifier } from './signed.ts';

const NOW = 1_790_000_000_000;
const SECONDS = NOW / 1000;
const hex = (algorithm: string, secret: string, content: string | Buffer): string =>
  createHmac(algorithm, secret).update(content).digest('hex');

describe('Stripe', () => {
  const own = verifier({ stripe: { secret: 'KEY' } }, { KEY: 'whsec_hush' });
  const body = '{"id":"evt_1"}';
  const v1 = (at: number, secret = 'whsec_hush', content = body) => hex('sha256', secret, `${at}.${content}`);
  const check = (header: string, now = NOW) =>
    text(own.verify(requestOf(body, { 'stripe-signature': header }), now));

  test('holds by any v1 of its header, whatever else stands there', () => {
    expect(check(`t=${SECONDS},v1=${v1(SECONDS)}`)).toBe('verified stripe');
    expect(check(`t=${SECONDS},v1=${v1(SECONDS, 'old')},v1=${v1(SECONDS)},v0=${'0'.repeat(64)}`)).toBe(
      'verified stripe',
    );
    expect(check(`t=${SECONDS}, v1=${v1(SECONDS)}`)).toBe('verified stripe');
  });

  test.each([
    ['with v0 alone', `t=${SECONDS},v0=${v1(SECONDS)}`],
    ['without a time', `v1=${v1(SECONDS)}`],
    ['with two times', `t=${SECONDS},t=${SECONDS},v1=${v1(SECONDS)}`],
    ['with a time that is signed otherwise', `t=${SECONDS + 1},v1=${v1(SECONDS)}`],
    ['with a time in milliseconds', `t=${NOW},v1=${v1(NOW)}`],
    [
      'with a time in another spelling',
      `t=0${SECONDS},v1=${hex('sha256', 'whsec_hush', `0${SECONDS}.${body}`)}`,
    ],
    ['with a time that is negative', `t=-1,v1=${v1(-1)}`],
    ['with hex in capitals', `t=${SECONDS},v1=${v1(SECONDS).toUpperCase()}`],
    ['with more parts than anybody sends', `t=${SECONDS},${'v1=0,'.repeat(20)}v1=${v1(SECONDS)}`],
    ['that is empty', ''],
  ])('does not hold %s', (_, header) => {
    expect(check(header)).toMatch(/^refused: the header stripe-signature of stripe /);
  });

  test('is stale 5 minutes after it was made and 5 minutes before, and not a moment earlier', () => {
    const header = `t=${SECONDS},v1=${v1(SECONDS)}`;
    expect(check(header, NOW + 300_000)).toBe('verified stripe');
    expect(check(header, NOW + 300_001)).toBe(
      'stale: the signature of stripe was made 301 s ago, and 300 s are allowed',
    );
    expect(check(header, NOW - 300_000)).toBe('verified stripe');
    expect(check(header, NOW - 300_001)).toBe(
      "stale: the signature of stripe was made 301 s in the future of this host's clock",
    );
  });

  test('tells of its age only who has the secret', () => {
    expect(check(`t=1000000000,v1=${v1(1_000_000_000, 'guess')}`)).toMatch(/^refused/);
    expect(check(`t=1000000000,v1=${v1(1_000_000_000)}`)).toMatch(/^stale/);
  });
});

describe('a timestamp of its own', () => {
  const slack = verifier({ slack: { secret: 'KEY', tolerance: '1m' } }, { KEY: 'hush' });
  const headers = (time: string, body: string) => ({
    'x-slack-request-timestamp': time,
    'x-slack-signature': `v0=${hex('sha256', 'hush', `v0:${time}:${body}`)}`,
  });

  test('bounds the age by the tolerance of the bundle', () => {
    const check = (now: number) => slack.verify(requestOf('a', headers(`${SECONDS}`, 'a')), now).kind;
    expect([check(NOW + 60_000), check(NOW + 60_001)]).toEqual(['verified', 'stale']);
    expect([check(NOW - 60_000), check(NOW - 60_001)]).toEqual(['verified', 'stale']);
  });

  test.each(['', 'soon', '1e9', `${SECONDS}.0`, ` ${SECONDS}`, '999999999', '99999999999'])(
    'is digits of one length: %j is none',
    (time) => {
      expect(slack.verify(requestOf('a', headers(time, 'a')), NOW).kind).toBe('refused');
    },
  );

  test('has to be there', () => {
    const { 'x-slack-request-timestamp': _, ...rest } = headers(`${SECONDS}`, 'a');
    expect(text(slack.verify(requestOf('a', rest), NOW))).toContain('has no timestamp beside it');
  });

  test('lets SendGrid try again for a day, and its clock be ahead by 5 minutes', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    const sendgrid = verifier({ sendgrid: { secret: 'KEY' } }, { KEY: key });
    const request = requestOf('[]\r\n', {
      'x-twilio-email-event-webhook-timestamp': `${SECONDS}`,
      'x-twilio-email-event-webhook-signature': sign(
        'sha256',
        Buffer.from(`${SECONDS}[]\r\n`),
        privateKey,
      ).toString('base64'),
    });
    const day = 86_400_000;
    const kinds = [NOW + day, NOW + day + 1, NOW - 300_000, NOW - 300_001].map(
      (now) => sendgrid.verify(request, now).kind,
    );
    expect(kinds).toEqual(['verified', 'stale', 'verified', 'stale']);
  });

  test('of SendGrid takes no digit of the body, and gives it none', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    const sendgrid = verifier({ sendgrid: { secret: 'KEY' } }, { KEY: key });
    const signature = sign('sha256', Buffer.from(`${SECONDS}123`), privateKey).toString('base64');
    const check = (time: string, body: string) =>
      sendgrid.verify(
        requestOf(body, {
          'x-twilio-email-event-webhook-timestamp': time,
          'x-twilio-email-event-webhook-signature': signature,
        }),
        NOW,
      ).kind;
    expect(check(`${SECONDS}`, '123')).toBe('verified');
    expect(check(`${SECONDS}1`, '23')).toBe('refused');
    expect(check(`${SECONDS}`.slice(0, -1), `${`${SECONDS}`.at(-1)}123`)).toBe('refused');
  });
});

describe('SendGrid', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  const sendgrid = verifier({ sendgrid: { secret: 'KEY' } }, { KEY: key });

  test.each(['AAAA', 'MAA=', 'MAYCAQACAQA=', 'MAYCAQECAQE=', '!!!!', 'A'.repeat(96), 'A'.repeat(10_000)])(
    'refuses what is no signature: %.20s',
    (signature) => {
      const request = requestOf('[]', {
        'x-twilio-email-event-webhook-timestamp': `${SECONDS}`,
        'x-twilio-email-event-webhook-signature': signature,
      });
      expect(sendgrid.verify(request, NOW).kind).toBe('refused');
    },
  );
});

describe('Standard Webhooks', () => {
  const secrets = {
    KEY: `whsec_${Buffer.alloc(24, 1).toString('base64')}`,
    NEXT: `whsec_${Buffer.alloc(32, 2).toString('base64')}`,
  };
  const own = verifier({ 'standard-webhooks': { secret: ['KEY', 'NEXT'] } }, secrets);
  const v1 = (key: Buffer, content: string) =>
    `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
  const check = (id: string, signatures: string, body = '{}', time = `${SECONDS}`) =>
    text(
      own.verify(
        requestOf(body, { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures }),
        NOW,
      ),
    );
  const first = Buffer.alloc(24, 1);
  const second = Buffer.alloc(32, 2);

  test('holds by any signature of its list', () => {
    const good = v1(second, `msg_1.${SECONDS}.{}`);
    expect(check('msg_1', good)).toBe('verified standard-webhooks');
    expect(check('msg_1', `v1,AAAA v1a,AAAA v2,x ${good}`)).toBe('verified standard-webhooks');
    expect(check('msg_1', v1(first, `msg_1.${SECONDS}.{}`))).toBe('verified standard-webhooks');
  });

  test('does not hold with its version left out, or another', () => {
    const good = v1(first, `msg_1.${SECONDS}.{}`);
    for (const sent of [
      good.slice(3),
      good.replace('v1,', 'v1a,'),
      good.replace('v1,', 'v2,'),
      `${good},x`,
    ]) {
      expect(check('msg_1', sent)).toMatch(/^refused/);
    }
    expect(check('msg_1', `${'v1,x '.repeat(9)}${good}`)).toMatch(/^refused/);
  });

  test('does not hold for another split of the same text into id, time and body', () => {
    const good = v1(first, `msg_1.${SECONDS}.1789999999.{}`);
    expect(check('msg_1', good, '1789999999.{}')).toBe('verified standard-webhooks');
    expect(check(`msg_1.${SECONDS}`, good, '{}', '1789999999')).toMatch(
      /^refused: .* has no webhook-id without "\." beside it$/,
    );
  });

  test('needs its id and its time', () => {
    const good = v1(first, `msg_1.${SECONDS}.{}`);
    const { verify } = {
      verify: (headers: Record<string, string>) => own.verify(requestOf('{}', headers), NOW).kind,
    };
    expect(verify({ 'webhook-signature': good, 'webhook-timestamp': `${SECONDS}` })).toBe('refused');
    expect(verify({ 'webhook-signature': good, 'webhook-id': 'msg_1' })).toBe('refused');
    expect(verify({ 'webhook-id': 'msg_1', 'webhook-timestamp': `${SECONDS}` })).toBe('unsigned');
  });
});

describe('Twilio', () => {
  const base = 'https://hooks.example.com/in';
  const own = verifier({ twilio: { secret: 'KEY' } }, { KEY: 'token' }, base);
  const path = '/v1/events/ingress/sms/demo/incoming?a=1&b=x%20y';
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const signed = (content: string) => createHmac('sha1', 'token').update(content).digest('base64');
  const check = (
    body: string | Buffer,
    signature: string,
    headers: Record<string, string> = form,
    url = path,
  ) => text(own.verify(requestOf(body, { ...headers, 'x-twilio-signature': signature }, url), NOW));

  test('signs the public URL with its path and query, as they came', () => {
    const signature = signed(`${base}${path}Bodyhé you`);
    expect(check('Body=h%C3%A9+you', signature)).toBe('verified twilio');
    expect(check('Body=h%C3%A9+you', signature, form, path.replace('x%20y', 'x+y'))).toMatch(/^refused/);
    expect(check('Body=h%C3%A9+you', signature, form, path.split('?')[0])).toMatch(/^refused/);
  });

  test('believes no header about where the request came to', () => {
    const signature = signed(`https://evil.example${path}`);
    const headers = {
      ...form,
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.example;proto=https',
    };
    expect(check('', signature, headers)).toMatch(/^refused/);
  });

  test('covers a GET by its URL alone', () => {
    expect(check('', signed(`${base}${path}`), {})).toBe('verified twilio');
  });

  test('does not hold for a body that it does not cover', () => {
    const signature = signed(`${base}${path}`);
    expect(check('{"a":1}', signature, { 'content-type': 'application/json' })).toMatch(
      /^refused: .* does not cover the body, which is no form and has no bodySHA256/,
    );
    expect(check('{"a":1}', signature, {})).toMatch(/^refused/);
    const url = `${path}&bodySHA256=${'0'.repeat(64)}`;
    expect(check('{"a":1}', signed(`${base}${url}`), {}, url)).toMatch(/^refused: .* covers another body/);
  });

  test('does not hold with a sign before the first name, or a form that is not UTF-8', () => {
    const signature = signed(`${base}${path}a1`);
    expect(check('a=1', signature)).toBe('verified twilio');
    expect(check('?a=1', signature)).toMatch(/^refused/);
    expect(check(Buffer.from([0x61, 0x3d, 0xff]), signed(`${base}${path}a\ufffd`))).toMatch(/not UTF-8/);
  });

  test('refuses a form with a hundred thousand parameters without sorting it', () => {
    expect(check('a&'.repeat(10_000), signed(''))).toMatch(/more than 1000 parameters/);
    expect(check('a&'.repeat(100_000), signed(''))).toMatch(/more than 131072 bytes/);
  });
});

describe('an HMAC that a bundle describes', () => {
  test.each(['sha1', 'sha256', 'sha512'] as const)('of %s, in every encoding', (algorithm) => {
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      const scheme = { header: 'X-Acme-Signature', algorithm, encoding, prefix: 'sig ', secret: 'KEY' };
      const own = verifier({ acme: scheme }, { KEY: 'hush' });
      const signature = createHmac(algorithm, 'hush').update('body').digest(encoding);
      const check = (value: string) => own.verify(requestOf('body', { 'x-acme-signature': value }), NOW).kind;
      expect(check(`sig ${signature}`)).toBe('verified');
      expect(check(signature)).toBe('refused');
      expect(check(`SIG ${signature}`)).toBe('refused');
      expect(check(`sig ${signature}\u0000`)).toBe('refused');
      expect(check(`sig ${signature} `)).toBe('refused');
      for (const other of ['hex', 'base64'] as const) {
        if (other === encoding) continue;
        const wrong = createHmac(algorithm, 'hush').update('body').digest(other);
        if (wrong.replace(/=+$/, '') !== signature) expect(check(`sig ${wrong}`)).toBe('refused');
      }
    }
  });

  test('takes hex in capitals and base64url with its padding, and base64 in one spelling', () => {
    const of = (encoding: string) =>
      verifier({ acme: { header: 'x-sig', encoding, secret: 'KEY' } }, { KEY: 'hush' });
    const made = createHmac('sha256', 'hush').update('');
    const digest = made.digest();
    const check = (encoding: string, value: string) =>
      of(encoding).verify(requestOf('', { 'x-sig': value }), NOW).kind;
    expect(check('hex', digest.toString('hex').toUpperCase())).toBe('verified');
    expect(check('base64url', `${digest.toString('base64url')}=`)).toBe('verified');
    expect(check('base64', digest.toString('base64').replace('=', ''))).toBe('refused');
    expect(check('base64', `${digest.toString('base64')}=`)).toBe('refused');
  });

  test('with a time signs time and body, in seconds or milliseconds, as its payload says', () => {
    const of = (payload?: string) =>
      verifier(
        { acme: { header: 'x-sig', timestamp_header: 'x-time', ...(payload && { payload }), secret: 'KEY' } },
        { KEY: 'hush' },
      );
    const check = (payload: string | undefined, time: string, content: string) =>
      of(payload).verify(requestOf('body', { 'x-time': time, 'x-sig': hex('sha256', 'hush', content) }), NOW)
        .kind;
    expect(check(undefined, `${SECONDS}`, `${SECONDS}.body`)).toBe('verified');
    expect(check('{body}|{timestamp}', `${NOW}`, `body|${NOW}`)).toBe('verified');
    expect(check('v0:{timestamp}:{body}', `${SECONDS}`, `v0:${SECONDS}:body`)).toBe('verified');
    expect(check(undefined, `${SECONDS}`, `${SECONDS}body`)).toBe('refused');
    expect(check(undefined, `${SECONDS - 301}`, `${SECONDS - 301}.body`)).toBe('stale');
  });
});

describe('a body', () => {
  const own = verifier({ github: { secret: 'KEY' } }, { KEY: 'hush' });
  const check = (body: Buffer, signedBytes: Buffer) =>
    own.verify(
      requestOf(body, { 'x-hub-signature-256': `sha256=${hex('sha256', 'hush', signedBytes)}` }),
      NOW,
    ).kind;

  test.each([
    ['of 1 MiB', randomBytes(1024 * 1024)],
    ['of bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28, 0x0d, 0x0a])],
    ['that is empty', Buffer.alloc(0)],
  ])('%s is signed byte by byte', (_, body) => {
    expect(check(body, body)).toBe('verified');
    expect(check(Buffer.concat([body, Buffer.from([0])]), body)).toBe('refused');
  });

  test('that is compressed is signed as it came', () => {
    const plain = Buffer.from('{"a":1}');
    const packed = gzipSync(plain);
    expect(check(packed, packed)).toBe('verified');
    expect(check(packed, plain)).toBe('refused');
  });

  test('that a proxy wrote anew is another body', () => {
    expect(check(Buffer.from('{"a": 1}'), Buffer.from('{"a":1}'))).toBe('refused');
  });
});

describe('several schemes', () => {
  const own = verifier(
    { github: { secret: 'HUB' }, shopify: { secret: 'SHOP' }, slack: { secret: 'SLACK' } },
    { HUB: 'hub', SHOP: 'shop', SLACK: 'slack' },
  );
  const hub = (secret: string) => ({ 'x-hub-signature-256': `sha256=${hex('sha256', secret, 'b')}` });
  const shop = (secret: string) => ({
    'x-shopify-hmac-sha256': createHmac('sha256', secret).update('b').digest('base64'),
  });
  const slack = (time: number) => ({
    'x-slack-request-timestamp': `${time}`,
    'x-slack-signature': `v0=${hex('sha256', 'slack', `v0:${time}:b`)}`,
  });
  const check = (headers: Record<string, string>) => text(own.verify(requestOf('b', headers), NOW));

  test('G1: at least one has to hold', () => {
    expect(check(hub('hub'))).toBe('verified github');
    expect(check(shop('shop'))).toBe('verified shopify');
    expect(check({})).toBe(
      'unsigned: it has no signature (x-hub-signature-256, x-shopify-hmac-sha256, x-slack-signature)',
    );
    expect(check({ 'x-hub-signature': 'sha1=0' })).toMatch(/^unsigned: it has no signature/);
  });

  test('G2: one that is there and wrong refuses, whatever else holds', () => {
    expect(check({ ...hub('hub'), ...shop('guess') })).toMatch(/^refused: the header x-shopify-hmac-sha256/);
    expect(check({ ...hub('guess'), ...shop('shop') })).toMatch(/^refused: the header x-hub-signature-256/);
    expect(check({ ...hub('hub'), ...slack(SECONDS - 301) })).toMatch(/^stale/);
    expect(check({ ...hub('hub'), ...shop('shop'), ...slack(SECONDS) })).toBe('verified github');
  });
});
