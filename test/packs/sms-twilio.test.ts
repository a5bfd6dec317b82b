import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Component } from '../sdk/component.ts';
import { type ComponentPack, componentPack, requestText } from './component-pack.ts';

let pack: ComponentPack;
let component: Component;
/** What the host was asked to send. */
const asked: Record<string, unknown>[] = [];
const SID = `SM${'0'.repeat(32)}`;
const SERVICE = `MG${'a'.repeat(32)}`;
const RECEIPT = { num_segments: 1, num_media: 0, error_code: null, messaging_service_sid: null };

const host = {
  twilio: {
    send: (text: string) => {
      asked.push(JSON.parse(text));
      return JSON.stringify({ sid: SID, status: 'queued', ...RECEIPT });
    },
  },
};

beforeAll(async () => {
  pack = await componentPack('events-sms-twilio');
  component = pack.open({ from: '+15005550006' }, host);
}, 120_000);
beforeEach(() => {
  asked.length = 0;
});

interface Answer {
  readonly ok?: Readonly<Record<string, unknown>>;
  readonly err?: { readonly code: string; readonly message: string };
}

async function invoke(operation: string, input: unknown, by = component): Promise<Answer> {
  const fault = pack.fault(operation, input);
  if (fault !== undefined) return { err: { code: 'operation_input_invalid', message: fault } };
  return by.call('invoke', operation, JSON.stringify(input)) as Answer;
}

const SMS = { to: '+41791234567', body: 'Hi' };

describe('send', () => {
  test('asks the host for the message, and reports the segments beside what Twilio said', async () => {
    const { ok } = await invoke('send', SMS);
    expect(asked).toEqual([{ to: '+41791234567', from: '+15005550006', body: 'Hi' }]);
    expect(ok).toEqual({
      sid: SID,
      status: 'queued',
      ...RECEIPT,
      segments: { encoding: 'GSM-7', count: 1, characters: 2, units: 2 },
    });
    expect(pack.fault('send output', ok)).toBeUndefined();
  });

  test('passes on everything that a message may have', async () => {
    const input = {
      ...SMS,
      messaging_service_sid: SERVICE,
      media_urls: ['https://cdn.example.com/a.png'],
      content_sid: `HX${'b'.repeat(32)}`,
      content_variables: { '1': 'Ann' },
      status_callback: 'https://hooks.example.com/status?order=1',
      validity_period: 600,
      send_at: '2026-11-24T09:00:00+01:00',
    };
    await invoke('send', input);
    expect(asked).toEqual([{ ...input, schedule_type: 'fixed' }]);
  });

  test('takes sender and callback from the config, or leaves the sender to the grant', async () => {
    const serving = pack.open({ messaging_service_sid: SERVICE, status_callback: true }, host);
    await invoke('send', SMS, serving);
    await invoke('send', { ...SMS, from: 'Shop', status_callback: false }, serving);
    await invoke('send', SMS, pack.open(null, host));
    expect(asked).toEqual([
      { ...SMS, messaging_service_sid: SERVICE, status_callback: true },
      { ...SMS, from: 'Shop', status_callback: false },
      SMS,
    ]);
  });

  test('takes 1,600 characters, line breaks and any script', async () => {
    const body = `a\r\n\u202e\u200b${'é'.repeat(1595)}`;
    expect((await invoke('send', { ...SMS, body })).err).toBeUndefined();
    expect(asked).toMatchObject([{ body }]);
  });

  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['without to', { to: undefined }, 'operation_input_invalid', /to/],
    ['without a body', { body: undefined }, 'operation_input_invalid', /body/],
    ['with a number as to', { to: 41791234567 }, 'operation_input_invalid', /to/],
    ['with a list as to', { to: ['+41791234567'] }, 'operation_input_invalid', /to/],
    ['with an unknown key', { text: 'a' }, 'operation_input_invalid', /text/],
    ['from two senders', { from: 'Shop', messaging_service_sid: SERVICE }, 'operation_input_invalid', /./],
    [
      'with eleven media',
      { media_urls: Array.from({ length: 11 }, () => 'https://a.example') },
      'operation_input_invalid',
      /media_urls/,
    ],
    [
      'that is valid for eleven hours',
      { validity_period: 36_001 },
      'operation_input_invalid',
      /validity_period/,
    ],
    ['to a number without its country', { to: '0791234567' }, 'sms_number_invalid', /^to: .*"0791234567"/],
    ['to a number with spaces', { to: '+41 79 123 45 67' }, 'sms_number_invalid', /^to: /],
    ['to a number of 16 digits', { to: '+1234567890123456' }, 'sms_number_invalid', /^to: /],
    ['to a number with a line break', { to: '+41791234567\n' }, 'sms_number_invalid', /\\n/],
    ['to a number that is turned around', { to: '\u202e+41791234567' }, 'sms_number_invalid', /\\u202e/],
    ['to a number with a zero-width space', { to: '+4179\u200b1234567' }, 'sms_number_invalid', /\\u200b/],
    ['to digits of another script', { to: '+٤١٧٩١٢٣٤٥٦٧' }, 'sms_number_invalid', /\\u0664/],
    ['with 1,601 characters', { body: '😀'.repeat(1601) }, 'sms_too_long', /^body: .*1601 came/],
    ['with an empty body', { body: '' }, 'sms_empty', /^body: /],
    ['from a name of 12 letters', { from: 'TwelveLetter' }, 'sms_sender_invalid', /^from: /],
    ['from a name of digits', { from: '123456789' }, 'sms_sender_invalid', /^from: /],
    ['from a name that is turned around', { from: '\u202epohS' }, 'sms_sender_invalid', /\\u202e/],
    [
      'from no messaging service',
      { messaging_service_sid: 'A'.repeat(34) },
      'sms_sender_invalid',
      /^messaging_service_sid: /,
    ],
    [
      'with media by http',
      { media_urls: ['https://a.example/1', 'http://a.example/2'] },
      'sms_media_invalid',
      /^media_urls\[1\]: /,
    ],
    [
      'with media at two lines',
      { media_urls: ['https://a.example/\r\nb'] },
      'sms_media_invalid',
      /^media_urls\[0\]: /,
    ],
    [
      'at no instant',
      { messaging_service_sid: SERVICE, send_at: 'soon' },
      'sms_time_invalid',
      /^send_at: .*"soon"/,
    ],
    [
      'at an instant without a service',
      { send_at: '2026-11-24T09:00:00Z' },
      'sms_time_invalid',
      /messaging_service_sid/,
    ],
    ['with a template of no sid', { content_sid: 'B'.repeat(34) }, 'sms_content_invalid', /^content_sid: /],
  ])('refuses one %s, names the field, and sends nothing', async (_, change, code, message) => {
    expect((await invoke('send', { ...SMS, ...change })).err).toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(asked).toEqual([]);
  });
});

test.each<[string, string, Record<string, unknown>]>([
  ['nothing', '', { encoding: 'GSM-7', count: 0, characters: 0, units: 0 }],
  ['160 letters', 'a'.repeat(160), { encoding: 'GSM-7', count: 1, units: 160 }],
  ['161 letters', 'a'.repeat(161), { encoding: 'GSM-7', count: 2, units: 161 }],
  ['306 letters', 'a'.repeat(306), { count: 2 }],
  ['307 letters', 'a'.repeat(307), { count: 3 }],
  ['80 euro signs', '€'.repeat(80), { encoding: 'GSM-7', count: 1, characters: 80, units: 160 }],
  ['81 euro signs', '€'.repeat(81), { count: 2, units: 162 }],
  // 153 septets do not hold 77 escaped characters; the last of them moves on whole.
  ['153 euro signs', '€'.repeat(153), { count: 3, units: 306 }],
  [
    'the whole alphabet',
    '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡§¿ÄÖÑÜäöñüà\f^{}\\[~]|€',
    { encoding: 'GSM-7', count: 1 },
  ],
  ['70 of another script', 'я'.repeat(70), { encoding: 'UCS-2', count: 1, units: 70, not_gsm: ['U+044F'] }],
  ['71 of another script', 'я'.repeat(71), { encoding: 'UCS-2', count: 2, units: 71 }],
  // 67 units do not hold 34 pairs.
  ['67 pictures', '😀'.repeat(67), { encoding: 'UCS-2', count: 3, characters: 67, units: 134 }],
  [
    'a zero-width space among letters',
    `${'a'.repeat(100)}\u200b`,
    { encoding: 'UCS-2', count: 2, not_gsm: ['U+200B'] },
  ],
  ['accents that GSM-7 has not', 'ç', { encoding: 'UCS-2', count: 1, not_gsm: ['U+00E7'] }],
])('the segments of %s are counted as the networks do', async (_, body, expected) => {
  const { ok } = await invoke('segments', { body });
  expect(ok).toMatchObject(expected);
  expect(pack.fault('segments output', ok)).toBeUndefined();
});

test('a config with a key that is not known, or with two senders, does not match its schema', async () => {
  expect(pack.fault('config', null)).toBeUndefined();
  expect(pack.fault('config', { form: '+15005550006' })).toMatch(/form/);
  expect(pack.fault('config', { from: 'a', messaging_service_sid: SERVICE })).toBeDefined();
});

interface Outcome {
  readonly ok?: { readonly events: readonly Record<string, unknown>[]; readonly response?: unknown };
  readonly err?: { readonly code: string; readonly message: string };
}

function post(
  handler: string | null,
  body: string,
  change: Record<string, unknown> = {},
  by = component,
): Outcome {
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' };
  return by.call('ingest', requestText({ handler, body, headers, ...change })) as Outcome;
}

describe('a message from a phone', () => {
  const FIELDS = {
    MessageSid: SID,
    SmsSid: SID,
    AccountSid: `AC${'c'.repeat(32)}`,
    From: '+14158675309',
    To: '+15005550006',
    Body: 'Grüße\r\n\u202e\u200b & + 😀',
    NumMedia: '1',
    NumSegments: '2',
    MediaUrl0: 'https://api.twilio.com/m',
    MediaContentType0: 'image/png',
    FromZip: '',
  };
  const form = (change: Record<string, string> = {}) =>
    new URLSearchParams({ ...FIELDS, ...change }).toString();

  test('is one event with all of its fields, keyed by its sid', () => {
    expect(post('incoming', form()).ok).toEqual({
      events: [
        {
          event_type: 'twilio.sms.incoming',
          idempotency_key: SID,
          payload: {
            message_sid: SID,
            sms_sid: SID,
            account_sid: FIELDS.AccountSid,
            from: FIELDS.From,
            to: FIELDS.To,
            body: FIELDS.Body,
            num_media: 1,
            num_segments: 2,
            media: [{ url: 'https://api.twilio.com/m', content_type: 'image/png' }],
            from_zip: '',
          },
        },
      ],
    });
  });

  test('is answered with an empty TwiML at once where the config says so', async () => {
    const quiet = pack.open({ incoming_reply: 'empty' }, host);
    expect(post('incoming', form(), {}, quiet).ok?.response).toEqual({
      status: 200,
      headers: { 'content-type': 'text/xml; charset=utf-8' },
      body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
    });
  });

  test.each([
    ['without its sid', form({ MessageSid: '', SmsSid: '' }), 'twilio_request_invalid'],
    ['with another sid', form({ MessageSid: 'x\r\ny' }), 'twilio_request_invalid'],
    ['of nothing', '', 'twilio_request_invalid'],
    ['of broken percent-encoding', 'MessageSid=%', 'form_invalid'],
    ['of bytes that are no UTF-8', 'MessageSid=%ff', 'form_invalid'],
    ['of 100,000 fields', 'a=1&'.repeat(100_000), 'form_invalid'],
    ['of 1 MiB in one field', `Body=${'%41'.repeat(300_000)}`, 'twilio_request_invalid'],
  ])('%s is refused', (_, body, code) => {
    expect(post('incoming', body).err?.code).toBe(code);
  });

  test('of another type, or in bytes that are no text, is refused', () => {
    expect(post('incoming', '{}', { headers: { 'content-type': 'application/json' } }).err?.code).toBe(
      'form_invalid',
    );
    expect(post('incoming', '/w==', { body_encoding: 'base64' }).err?.code).toBe('form_invalid');
    expect(post('incoming', '/w==', { headers: {} }).err?.code).toBe('form_invalid');
  });

  test('with a field named __proto__ has a field of that name', () => {
    const [event] =
      post('incoming', form({ __proto__: 'x' } as never).concat('&__proto__=x')).ok?.events ?? [];
    expect(Object.entries(event?.payload ?? {})).toContainEqual(['__proto__', 'x']);
  });
});

describe('a status callback', () => {
  const form = (change: Record<string, string>) =>
    new URLSearchParams({ MessageSid: SID, To: '+41791234567', ...change }).toString();

  test('is an event once for each status of a message', () => {
    expect(post('status', form({ MessageStatus: 'delivered', SmsStatus: 'sent' })).ok?.events).toEqual([
      {
        event_type: 'twilio.sms.status',
        idempotency_key: `${SID} delivered`,
        payload: { message_sid: SID, to: '+41791234567', message_status: 'delivered', sms_status: 'sent' },
      },
    ]);
    const [failed] = post('status', form({ SmsStatus: 'undelivered', ErrorCode: '30003' })).ok?.events ?? [];
    expect(failed).toMatchObject({
      idempotency_key: `${SID} undelivered`,
      payload: { message_status: 'undelivered', error_code: 30003 },
    });
  });

  test('without a status, or at another path, is refused', () => {
    expect(post('status', form({})).err?.code).toBe('twilio_request_invalid');
    expect(post('status', form({ MessageStatus: 'a\nb' })).err?.code).toBe('twilio_request_invalid');
    for (const handler of ['Status', 'sms', null]) {
      expect(post(handler, form({ MessageStatus: 'sent' })).err?.code).toBe('handler_unknown');
    }
  });
});
