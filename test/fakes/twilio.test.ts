import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requestOf, text as verdict, verifier } from '../ingress/signature/signed.ts';
import { receiver } from './receiver.ts';
import { type FakeTwilio, openTwilio } from './twilio/twilio.ts';
import { twilioSignature } from './twilio/webhooks.ts';

const ACCOUNT = `AC${'a'.repeat(32)}`;
const SERVICE = `MG${'b'.repeat(32)}`;
const NOW = Date.UTC(2026, 10, 24, 12);
let fake: FakeTwilio;
beforeEach(async () => {
  fake = await openTwilio({
    accountSid: ACCOUNT,
    authToken: 'token',
    senders: ['+15005550006'],
    messagingServices: [SERVICE],
    blockedPrefixes: ['+9'],
    now: () => NOW,
  });
});
afterEach(() => fake.close());

const SMS = { To: '+15558675310', From: '+15005550006', Body: 'Hi there' };

async function send(form: Record<string, string> | string, headers: Record<string, string> = {}) {
  const response = await fetch(`${fake.url}/2010-04-01/Accounts/${ACCOUNT}/Messages.json`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${btoa(`${ACCOUNT}:token`)}`,
      'content-type': 'application/x-www-form-urlencoded',
      ...headers,
    },
    body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

describe('the fake of the Messages API', () => {
  test('answers 201 with the resource that the documentation shows', async () => {
    const { status, json } = await send(SMS);
    const { sid } = json;
    expect(status).toBe(201);
    expect(sid).toMatch(/^SM[0-9a-f]{32}$/);
    const uri = `/2010-04-01/Accounts/${ACCOUNT}/Messages/${sid}`;
    expect(json).toEqual({
      account_sid: ACCOUNT,
      api_version: '2010-04-01',
      body: 'Hi there',
      date_created: 'Tue, 24 Nov 2026 12:00:00 +0000',
      date_sent: null,
      date_updated: 'Tue, 24 Nov 2026 12:00:00 +0000',
      direction: 'outbound-api',
      error_code: null,
      error_message: null,
      from: '+15005550006',
      messaging_service_sid: null,
      num_media: '0',
      num_segments: '1',
      price: null,
      price_unit: 'USD',
      sid,
      status: 'queued',
      subresource_uris: { media: `${uri}/Media.json` },
      to: '+15558675310',
      uri: `${uri}.json`,
    });
    expect(fake.messages).toHaveLength(1);
  });

  test('accepts for a messaging service without a sender yet, and schedules', async () => {
    const { From: _, ...rest } = SMS;
    const service = { ...rest, MessagingServiceSid: SERVICE };
    expect((await send(service)).json).toMatchObject({ status: 'accepted', from: null, num_segments: '0' });
    const scheduled = { ...service, ScheduleType: 'fixed', SendAt: '2026-11-24T12:15:00Z' };
    expect((await send(scheduled)).json).toMatchObject({ status: 'scheduled' });
  });

  test.each<[number, Record<string, string>]>([
    [21604, { ...SMS, To: '' }],
    [21603, { ...SMS, From: '' }],
    [21602, { ...SMS, Body: '' }],
    [21617, { ...SMS, Body: 'a'.repeat(1601) }],
    [21211, { ...SMS, To: '5558675310' }],
    [21211, { ...SMS, To: '+15005550001' }],
    [21612, { ...SMS, To: '+15005550002' }],
    [21408, { ...SMS, To: '+15005550003' }],
    [21408, { ...SMS, To: '+9123456789' }],
    [21610, { ...SMS, To: '+15005550004' }],
    [21614, { ...SMS, To: '+15005550009' }],
    [21606, { ...SMS, From: '+15005550007' }],
    [21705, { ...SMS, MessagingServiceSid: 'MG1' }],
    [21620, { ...SMS, MediaUrl: 'ftp://example.com/a' }],
    [21609, { ...SMS, StatusCallback: '/status' }],
    [21626, { ...SMS, ValidityPeriod: '36001' }],
    [35118, { ...SMS, SendAt: '2026-11-24T13:00:00Z' }],
    [35114, { ...SMS, MessagingServiceSid: SERVICE, ScheduleType: 'fixed', SendAt: '2026-11-24T12:14:59Z' }],
    [20001, { ...SMS, to: '+15558675310' }],
  ])('refuses with %i', async (code, form) => {
    const { status, json } = await send(form);
    expect(status).toBe(400);
    expect(json).toEqual({
      code,
      message: expect.any(String),
      more_info: `https://www.twilio.com/docs/errors/${code}`,
      status: 400,
    });
    expect(fake.messages).toEqual([]);
  });

  test('remembers who answered STOP', async () => {
    fake.unsubscribed.add(SMS.To);
    expect((await send(SMS)).json).toMatchObject({
      code: 21610,
      message: 'Attempt to send to unsubscribed recipient',
    });
  });

  test('answers 401 to another token, 415 to JSON, 404 elsewhere, 429 past its rate', async () => {
    expect(await send(SMS, { authorization: 'Basic AAAA' })).toMatchObject({
      status: 401,
      json: { code: 20003 },
    });
    expect(await send('{}', { 'content-type': 'application/json' })).toMatchObject({ status: 415 });
    expect((await fetch(`${fake.url}/2010-04-01/Accounts.json`)).status).toBe(404);
    fake.script.answer({ status: 429, body: { code: 20429, message: 'Too Many Requests', status: 429 } });
    expect(await send(SMS)).toMatchObject({ status: 429, json: { code: 20429 } });
  });
});

describe('its webhooks', () => {
  test('are signed as the documentation’s example is', () => {
    const fields = {
      CallSid: 'CA1234567890ABCDE',
      Caller: '+14158675309',
      Digits: '1234',
      From: '+14158675309',
      To: '+18005551212',
    };
    expect(twilioSignature('12345', 'https://mycompany.com/myapp.php?foo=1&bar=2', fields)).toBe(
      'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
    );
  });

  test('post what becomes of a message and what phones send, for the URL that the vendor knows', async () => {
    const inbox = await receiver();
    await send(SMS);
    const [message] = fake.messages;
    if (message === undefined) throw new Error('There is a message.');
    const signedUrl = 'https://hooks.example.com/sms?a=b';
    await fake.webhooks.sendStatus(`${inbox.url}/sms?a=b`, message, 'undelivered', {
      errorCode: 30003,
      signedUrl,
    });
    await fake.webhooks.sendInbound(
      `${inbox.url}/sms?a=b`,
      {
        from: '+14158675309',
        to: SMS.From,
        body: 'Grüße & mehr',
        media: [['https://example.com/a', 'image/png']],
      },
      { signedUrl },
    );
    const own = verifier({ twilio: { secret: 'KEY' } }, { KEY: 'token' }, 'https://hooks.example.com');
    for (const { url, headers, body } of inbox.requests) {
      expect(verdict(own.verify(requestOf(body, headers, url), NOW))).toBe('verified twilio');
      expect(verdict(own.verify(requestOf(body, headers, '/sms'), NOW))).toMatch(/^refused/);
    }
    const [status, inbound] = inbox.requests.map(({ body }) =>
      Object.fromEntries(new URLSearchParams(String(body))),
    );
    expect(status).toMatchObject({
      MessageSid: message.sid,
      MessageStatus: 'undelivered',
      ErrorCode: '30003',
      To: SMS.To,
    });
    expect(inbound).toMatchObject({
      Body: 'Grüße & mehr',
      NumMedia: '1',
      MediaUrl0: 'https://example.com/a',
      SmsStatus: 'received',
    });
    await inbox.close();
  });
});
