import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NO_GRANTS } from '../../../host/grant/grants.ts';
import { type FakeTwilio, openTwilio } from '../../fakes/twilio/twilio.ts';
import { refusal } from '../http/outside.ts';
import { ACCOUNT, FROM, messageGrant, openTwilioCapability, SERVICE, send, TOKEN } from './account.ts';

const NOW = 1_790_000_000_000;
let fake: FakeTwilio;
beforeEach(async () => {
  fake = await openTwilio({
    accountSid: ACCOUNT,
    authToken: TOKEN,
    senders: [FROM, '+15005550099'],
    messagingServices: [SERVICE],
    now: () => NOW,
  });
});
afterEach(() => fake.close());

const SMS = { to: '+41791234567', from: FROM, body: 'Your order is on its way' };
const sent = () => fake.messages.map(({ form }) => [...form]);

describe('a message', () => {
  test('goes out by the account, and its result is what Twilio says of it, and no more', async () => {
    const targets: string[] = [];
    const result = await send(openTwilioCapability(), messageGrant(fake.url), SMS, {
      onTarget: (target) => targets.push(target),
    });
    expect(sent()).toEqual([
      [
        ['To', SMS.to],
        ['From', FROM],
        ['Body', SMS.body],
      ],
    ]);
    expect(result).toEqual({
      sid: fake.messages[0]?.sid,
      status: 'queued',
      num_segments: 1,
      num_media: 0,
      error_code: null,
      messaging_service_sid: null,
    });
    expect(targets).toEqual([`${FROM} to +41*******67`]);
  });

  test('with all that there is arrives as a form', async () => {
    const grants = messageGrant(fake.url, {
      media: ['cdn.example.com'],
      status_callback: 'https://hooks.example.com/v1/events/ingress/sms/default/status',
    });
    const message = {
      to: '+15005550123',
      messaging_service_sid: SERVICE,
      body: 'a&Body=b é 😀\n2',
      media_urls: ['https://cdn.example.com/a?b=c&d', 'https://cdn.example.com/b'],
      content_sid: `HX${'2'.repeat(32)}`,
      content_variables: { 1: 'é' },
      status_callback: 'https://hooks.example.com/v1/events/ingress/sms/default/status?order=17',
      validity_period: 600,
      send_at: '2026-09-21T15:33:20Z',
      schedule_type: 'fixed',
    };
    const result = await send(openTwilioCapability(), grants, message);
    expect(result).toMatchObject({ messaging_service_sid: SERVICE });
    expect(sent()).toEqual([
      [
        ['To', message.to],
        ['MessagingServiceSid', SERVICE],
        ['MediaUrl', 'https://cdn.example.com/a?b=c&d'],
        ['MediaUrl', 'https://cdn.example.com/b'],
        ['StatusCallback', message.status_callback],
        ['Body', message.body],
        ['ContentSid', message.content_sid],
        ['ContentVariables', '{"1":"é"}'],
        ['ValidityPeriod', '600'],
        ['SendAt', message.send_at],
        ['ScheduleType', 'fixed'],
      ],
    ]);
  });

  test.each([
    [FROM, 'From'],
    [SERVICE, 'MessagingServiceSid'],
  ])('without a sender comes from the only one that is granted: %s', async (sender, name) => {
    const { from: _from, ...message } = SMS;
    await send(openTwilioCapability(), messageGrant(fake.url, { from: [sender] }), message);
    expect(fake.messages[0]?.form.get(name)).toBe(sender);
    const error = await refusal(send(openTwilioCapability(), messageGrant(fake.url), message));
    expect(error.code).toBe('twilio_invalid');
  });

  test('is called back at the URL of the grant, if it wants to be', async () => {
    const url = 'http://127.0.0.1:8080/status';
    const grants = messageGrant(fake.url, { status_callback: url });
    await send(openTwilioCapability(), grants, { ...SMS, status_callback: true });
    await send(openTwilioCapability(), grants, { ...SMS, status_callback: false });
    expect(fake.messages.map(({ form }) => form.get('StatusCallback'))).toEqual([url, null]);
  });

  test('of an account that is entered by an API key carries that key', async () => {
    const key = `SK${'3'.repeat(32)}`;
    const grants = messageGrant(fake.url, { auth_token: undefined, api_key: key, secret: 'TOKEN' });
    const error = await refusal(send(openTwilioCapability(), grants, SMS));
    expect(error.code).toBe('twilio_unauthorized');
  });
});

describe('a grant of messages', () => {
  const refused = async (message: unknown, more: object = {}) => {
    const error = await refusal(send(openTwilioCapability(), messageGrant(fake.url, more), message));
    expect(fake.messages).toEqual([]);
    return error;
  };

  test('that is not there denies everything, with the line that would allow it', async () => {
    const error = await refusal(send(openTwilioCapability(), NO_GRANTS, SMS));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain('twilio: { account: AC');
  });

  const callback = 'https://hooks.example.com/status';
  test.each<[string, object, string]>([
    ['another number of the account', { from: '+15005550099' }, 'from: ["+15005550099"]'],
    ['a name', { from: 'Bank' }, 'from: ["Bank"]'],
    ['another messaging service', { messaging_service_sid: `MG${'9'.repeat(32)}` }, 'from: ["MG999'],
    ['another country', { to: '+44791234567' }, 'to: ["+44"]'],
    ['media from anywhere', { media_urls: ['https://evil.example/?body'] }, 'media: ["evil.example"]'],
    [
      'a callback to anywhere',
      { status_callback: 'https://evil.example/status' },
      'status_callback: "https://evil',
    ],
    ['a callback to another path', { status_callback: `${callback}/x` }, 'status_callback'],
    [
      'a callback to the origin in plain HTTP',
      { status_callback: 'http://hooks.example.com/status' },
      'status_callback',
    ],
    ['a callback with a fragment', { status_callback: `${callback}#x` }, 'status_callback'],
  ])('does not allow %s', async (_title, more, line) => {
    const error = await refused({ ...SMS, ...more }, { status_callback: callback });
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain(line);
  });

  test('without a callback allows none', async () => {
    const error = await refused({ ...SMS, status_callback: true });
    expect(error.code).toBe('capability_denied');
  });

  test('counts messages against its rate', async () => {
    let clock = 0;
    const capability = openTwilioCapability({ monotonicMs: () => clock });
    const grants = messageGrant(fake.url, { rate: '2/s' });
    await send(capability, grants, SMS);
    await send(capability, grants, SMS);
    const error = await refusal(send(capability, grants, SMS));
    expect([error.code, error.retryAfterMs]).toEqual(['grant_rate_exceeded', 500]);
    clock += 500;
    await send(capability, grants, SMS);
    expect(fake.messages).toHaveLength(3);
  });
});

describe('a message that is none', () => {
  test.each<[string, unknown, string]>([
    ['no JSON', '{', 'The message'],
    ['a list', [], 'it was expected to be an object'],
    ['without a number', { body: 'a' }, 'to was expected to be a text'],
    ['to a number without a country', { ...SMS, to: '0791234567' }, 'to is no number in E.164'],
    ['to a number with spaces', { ...SMS, to: '+41 79 123 45 67' }, 'to is no number in E.164'],
    ['to a number with a line break', { ...SMS, to: '+41791234567\n' }, 'to is no number in E.164'],
    ['to a number of other digits', { ...SMS, to: '+４１791234567' }, 'to is no number in E.164'],
    ['to a number of 16 digits', { ...SMS, to: '+1234567890123456' }, 'to is no number in E.164'],
    ['to another channel', { ...SMS, to: 'whatsapp:+41791234567' }, 'to is no number in E.164'],
    ['to several', { ...SMS, to: ['+41791234567'] }, 'to was expected to be a text'],
    ['from a name that is too long', { ...SMS, from: 'Twelve chars' }, 'from is no number'],
    ['from a name in other letters', { ...SMS, from: 'Bаnk' }, 'from is no number'],
    ['from a service that is none', { ...SMS, messaging_service_sid: 'MG1' }, 'messaging_service_sid is not'],
    [
      'without text, media and template',
      { to: SMS.to, from: FROM },
      'none of body, media_urls and content_sid',
    ],
    ['with an empty text', { ...SMS, body: '' }, 'none of body'],
    ['with 1,601 characters', { ...SMS, body: '😀'.repeat(1601) }, 'body is 1601 characters long'],
    ['with a null character', { ...SMS, body: 'a\u0000' }, 'body holds a control character'],
    [
      'with half a surrogate pair',
      '{"to":"+41791234567","body":"\\ud800"}',
      'body holds half a surrogate pair',
    ],
    [
      'with eleven media',
      { ...SMS, media_urls: Array(11).fill('https://a.example') },
      'media_urls has 11 entries',
    ],
    [
      'with media in plain HTTP',
      { ...SMS, media_urls: ['http://a.example'] },
      'media_urls[0] is no URL of https',
    ],
    ['with a relative URL', { ...SMS, media_urls: ['/a'] }, 'media_urls[0] is no absolute URL'],
    [
      'with a password in a URL',
      { ...SMS, status_callback: 'https://a:b@c.example' },
      'status_callback is no absolute URL',
    ],
    ['with variables and no template', { ...SMS, content_variables: {} }, 'content_variables has no meaning'],
    [
      'valid for no time',
      { ...SMS, validity_period: 0 },
      'validity_period was expected to be a whole number',
    ],
    ['valid for a text', { ...SMS, validity_period: '60' }, 'validity_period was expected'],
    ['to be sent at noon', { ...SMS, send_at: 'noon', schedule_type: 'fixed' }, 'send_at is no instant'],
    [
      'to be sent without a service',
      { ...SMS, send_at: '2026-09-21T15:33:20Z', schedule_type: 'fixed' },
      'send_at needs',
    ],
    [
      'with a key of the form',
      { ...SMS, StatusCallback: 'https://evil.example' },
      'StatusCallback is not known. Did you mean "status_callback"?',
    ],
    [
      'with a key that is nothing',
      JSON.parse('{"to":"+41791234567","body":"a","__proto__":{"from":"x"}}'),
      '__proto__ is not known',
    ],
  ])('is not sent: %s', async (_title, message, fault) => {
    const error = await refusal(send(openTwilioCapability(), messageGrant(fake.url), message));
    expect([error.code, error.retryable]).toEqual(['twilio_invalid', false]);
    expect(error.message).toContain(fault);
    expect(fake.messages).toEqual([]);
  });
});

describe('what Twilio answers', () => {
  test.each([
    ['+15005550001', 'twilio_to_invalid', 21211],
    ['+15005550009', 'twilio_to_invalid', 21614],
    ['+15005550002', 'twilio_from_invalid', 21612],
    ['+15005550003', 'twilio_region_denied', 21408],
    ['+15005550004', 'twilio_opted_out', 21610],
  ])('to %s is %s, with its code and words', async (to, code, number) => {
    const error = await refusal(send(openTwilioCapability(), messageGrant(fake.url), { ...SMS, to }));
    expect([error.code, error.retryable]).toEqual([code, false]);
    expect(error.message).toMatch(new RegExp(`code ${number}, .+`));
  });

  const failing = (status: number, body: unknown, headers: Record<string, string> = {}) => {
    fake.script.answer({ status, body, headers });
    return refusal(send(openTwilioCapability({ now: () => NOW }), messageGrant(fake.url), SMS));
  };

  test.each<[number, number | null, string, boolean]>([
    [400, 21602, 'twilio_invalid', false],
    [400, null, 'twilio_invalid', false],
    [401, 20003, 'twilio_unauthorized', false],
    [403, null, 'twilio_unauthorized', false],
    [404, 20404, 'twilio_invalid', false],
    [429, 20429, 'twilio_rate_limited', true],
    [429, null, 'twilio_rate_limited', true],
    [400, 21611, 'twilio_rate_limited', true],
    [500, 20500, 'twilio_unavailable', true],
    [503, null, 'twilio_unavailable', true],
    [302, null, 'http_response_invalid', false],
  ])('with status %i and code %s is %s', async (status, code, expected, retryable) => {
    const error = await failing(status, { code, message: 'Sorry.', status });
    expect([error.code, error.retryable]).toEqual([expected, retryable]);
  });

  test('with 429 and Retry-After says when to try again, and is not asked before', async () => {
    let clock = 0;
    const capability = openTwilioCapability({ now: () => NOW, monotonicMs: () => clock });
    fake.script.answer({ status: 429, headers: { 'retry-after': '2' }, body: { code: 20429 } });
    const first = await refusal(send(capability, messageGrant(fake.url), SMS));
    const second = await refusal(send(capability, messageGrant(fake.url), SMS));
    expect([first.retryAfterMs, second.retryAfterMs]).toEqual([2000, 2000]);
    clock += 2001;
    await send(capability, messageGrant(fake.url), SMS);
    expect(fake.messages).toHaveLength(1);
  });

  test.each([
    ['nothing', ''],
    ['no JSON', '<html>'],
    ['no sid', { status: 'queued' }],
    ['a sid that is none', { sid: 'SM1', status: 'queued' }],
    ['a status that is none', { sid: `SM${'0'.repeat(32)}`, status: 'a b' }],
  ])('with 201 and %s is not tried again: the message is under way', async (_title, body) => {
    const error = await failing(201, body);
    expect([error.code, error.retryable]).toEqual(['http_response_invalid', false]);
  });

  test('with what its contract does not name, or in other types, is told without it', async () => {
    const sid = `SM${'0'.repeat(32)}`;
    const body = {
      sid,
      status: 'accepted',
      num_segments: '0',
      num_media: null,
      error_code: 30007,
      auth: TOKEN,
    };
    fake.script.answer({ status: 201, body: { ...body, messaging_service_sid: `${SERVICE}<script>` } });
    const unknown = { num_segments: null, num_media: null, messaging_service_sid: null };
    expect(await send(openTwilioCapability(), messageGrant(fake.url), SMS)).toEqual({
      ...unknown,
      ...{ sid, status: 'accepted', error_code: 30007 },
    });
  });

  test.each([
    ['as it is', TOKEN],
    ['as it was sent', `Basic ${Buffer.from(`${ACCOUNT}:${TOKEN}`).toString('base64')}`],
    ['without the scheme', Buffer.from(`${ACCOUNT}:${TOKEN}`).toString('base64')],
    ['percent-encoded', encodeURIComponent(TOKEN)],
    ['as forms write it', new URLSearchParams([['a', TOKEN]]).toString().slice(2)],
  ])('with the token %s does not tell the plugin the token', async (_title, form) => {
    const error = await failing(400, { code: 20001, message: `not ${form}!` });
    expect(error.message).not.toContain(form);
    expect(error.message).toContain('not [the key]!');
  });
});
