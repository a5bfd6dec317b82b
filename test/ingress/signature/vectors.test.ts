import { Buffer } from 'node:buffer';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { flipped, requestOf, text, verifier } from './signed.ts';

/** What the vendors publish: in their documentation, or in the tests of their own libraries. */
interface Vector {
  readonly title: string;
  readonly scheme: string;
  readonly secret: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly at: number;
  readonly url?: string;
  readonly publicUrl?: string;
}

const twilio = {
  scheme: 'twilio',
  secret: '12345',
  at: 0,
  publicUrl: 'https://mycompany.com',
  url: '/myapp.php?foo=1&bar=2',
  body: 'CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212',
} as const;
const FORM = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
const STANDARD = { 'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'webhook-timestamp': '1614265330' };
const JSON_BODY_SHA256 = '0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620';

const VECTORS: readonly Vector[] = [
  {
    // docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    title: "GitHub's documentation",
    scheme: 'github',
    secret: "It's a Secret to Everybody",
    body: 'Hello, World!',
    headers: {
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    },
    at: 0,
  },
  {
    // docs.slack.dev/authentication/verifying-requests-from-slack
    title: "Slack's documentation",
    scheme: 'slack',
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    body: 'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    headers: {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    },
    at: 1_531_420_618_000,
  },
  {
    // sendgrid-nodejs, sendgrid-go, sendgrid-python: tests of the helper for the Event Webhook
    title: "SendGrid's libraries",
    scheme: 'sendgrid',
    secret:
      'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==',
    body: '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n',
    headers: {
      'x-twilio-email-event-webhook-timestamp': '1600112502',
      'x-twilio-email-event-webhook-signature':
        'MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=',
    },
    at: 1_600_112_502_000,
  },
  {
    // standard-webhooks and svix-webhooks: tests of their libraries
    title: "Standard Webhooks' libraries, v1",
    scheme: 'standard-webhooks',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    body: '{"test": 2432232314}',
    headers: { ...STANDARD, 'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=' },
    at: 1_614_265_330_000,
  },
  {
    // svix-webhooks, server: test_asymmetric_key_signing
    title: "Standard Webhooks' server, v1a",
    scheme: 'standard-webhooks',
    secret: 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
    body: '{"test": 2432232314}',
    headers: {
      ...STANDARD,
      'webhook-signature':
        'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
    },
    at: 1_614_265_330_000,
  },
  // www.twilio.com/docs/usage/security, and the tests of twilio-php and twilio-csharp
  {
    ...twilio,
    title: "Twilio's documentation",
    headers: { ...FORM, 'x-twilio-signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=' },
  },
  {
    ...twilio,
    title: "Twilio's libraries: a parameter several times",
    body: 'Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234',
    headers: { ...FORM, 'x-twilio-signature': 'IK+Dwps556ElfBT0I3Rgjkr1wJU=' },
  },
  {
    ...twilio,
    title: "Twilio's libraries: a body of JSON",
    url: `${twilio.url}&bodySHA256=${JSON_BODY_SHA256}`,
    body: '{"property": "value", "boolean": true}',
    headers: { 'content-type': 'application/json', 'x-twilio-signature': 'a9nBmqA0ju/hNViExpshrM61xv4=' },
  },
  {
    ...twilio,
    title: "Twilio's libraries: signed with the port of https",
    headers: { ...FORM, 'x-twilio-signature': 'kvajT1Ptam85bY51eRf/AJRuM3w=' },
  },
  {
    ...twilio,
    title: "Twilio's libraries: signed with the port of http",
    publicUrl: 'http://mycompany.com',
    headers: { ...FORM, 'x-twilio-signature': '0ZXoZLH/DfblKGATFgpif+LLRf4=' },
  },
  {
    ...twilio,
    title: "Twilio's libraries: signed without the port",
    publicUrl: 'https://mycompany.com:1234',
    headers: { ...FORM, 'x-twilio-signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=' },
  },
  {
    ...twilio,
    title: "Twilio's libraries: a host in capitals",
    publicUrl: 'https://MyCompany.com',
    headers: { ...FORM, 'x-twilio-signature': 'g9IN/x4Cft2g517EjYvEvM/W7LU=' },
  },
  {
    ...twilio,
    title: "Twilio's libraries: a host in capitals with a port",
    publicUrl: 'https://MyCompany.com:1234',
    headers: { ...FORM, 'x-twilio-signature': 'PCqOZm8cnu/L6+u5i5fuEd+Iac4=' },
  },
];

describe.each(VECTORS)('what is published in $title', (vector) => {
  const { scheme, secret, body, headers, at, url, publicUrl = null } = vector;
  const own = verifier({ [scheme]: { secret: 'KEY' } }, { KEY: secret }, publicUrl);
  const bytes = Buffer.from(body);

  test('holds', () => {
    expect(text(own.verify(requestOf(bytes, headers, url), at))).toBe(`verified ${scheme}`);
  });

  test('does not hold once any one byte of it differs by a bit', () => {
    for (let at_ = 0; at_ < bytes.length; at_ += 7) {
      expect(own.verify(requestOf(flipped(bytes, at_), headers, url), at).kind).toBe('refused');
    }
    expect(own.verify(requestOf(`${body} `, headers, url), at).kind).toBe('refused');
    expect(own.verify(requestOf(body.slice(0, -1), headers, url), at).kind).toBe('refused');
    expect(own.verify(requestOf('', headers, url), at).kind).toBe('refused');
  });

  test('does not hold over the same JSON, written again by a proxy', () => {
    if (!/^[[{]/.test(body)) return;
    const parsed: unknown = JSON.parse(body);
    for (const again of [
      JSON.stringify(parsed),
      JSON.stringify(parsed, null, 1),
      JSON.stringify(parsed, null, 3),
    ]) {
      if (again !== body) expect(own.verify(requestOf(again, headers, url), at).kind).toBe('refused');
    }
  });

  test('does not hold with its signature cut, lengthened or changed by a letter', () => {
    const name = Object.keys(headers).find((each) => each.includes('signature') && each !== 'x') ?? '';
    const sent = headers[name] ?? '';
    const last = sent.search(/=*$/);
    const other = sent[last - 2] === 'A' ? 'B' : 'A';
    const spoiled = [
      sent.slice(0, -1),
      `${sent}A`,
      `A${sent}`,
      sent.slice(0, last - 2) + other + sent.slice(last - 1),
      // A list of two of the same is a list.
      ...(scheme === 'standard-webhooks' ? [] : [`${sent}, ${sent}`]),
      '',
      '\u00ff'.repeat(sent.length),
    ];
    for (const value of spoiled) {
      expect(text(own.verify(requestOf(body, { ...headers, [name]: value }, url), at))).toMatch(/^refused/);
    }
    const { [name]: _, ...without } = headers;
    expect(text(own.verify(requestOf(body, without, url), at))).toMatch(/^unsigned: it has no signature/);
  });

  test('holds where its secret is one of several, and not by another alone', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(sign('sha256', bytes, privateKey).length).toBeGreaterThan(0);
    const another =
      scheme === 'sendgrid'
        ? publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
        : `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const secrets = { OTHER: another, KEY: secret };
    const both = verifier({ [scheme]: { secret: ['OTHER', 'KEY'] } }, secrets, publicUrl);
    expect(text(both.verify(requestOf(body, headers, url), at))).toBe(`verified ${scheme}`);
    const wrong = verifier({ [scheme]: { secret: 'OTHER' } }, secrets, publicUrl);
    expect(wrong.verify(requestOf(body, headers, url), at).kind).toBe('refused');
  });
});

describe('without vectors of their own', () => {
  test('Shopify is HMAC-SHA256 over the body in base64', () => {
    const own = verifier({ shopify: { secret: 'KEY' } }, { KEY: 'hush' });
    const body = '{"id":820982911946154508}';
    const signature = createHmac('sha256', 'hush').update(body).digest('base64');
    expect(text(own.verify(requestOf(body, { 'x-shopify-hmac-sha256': signature }), 0))).toBe(
      'verified shopify',
    );
    const hex = createHmac('sha256', 'hush').update(body).digest('hex');
    expect(own.verify(requestOf(body, { 'x-shopify-hmac-sha256': hex }), 0).kind).toBe('refused');
  });
});
