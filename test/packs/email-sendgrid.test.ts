import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mailErrors } from '../fakes/sendgrid/mail-send.ts';
import { inboundBody } from '../fakes/sendgrid/webhooks.ts';
import type { Component } from '../sdk/component.ts';
import { bodyParts, type ComponentPack, componentPack, requestText } from './component-pack.ts';

let pack: ComponentPack;
let component: Component;
/** Bodies of Mail Send that the host was asked to send. */
const asked: Record<string, unknown>[] = [];
let answer: { status: number; message_id: string | null } = { status: 202, message_id: 'id-1' };

const host = {
  sendgrid: {
    send: (text: string) => {
      asked.push(JSON.parse(text));
      return JSON.stringify(answer);
    },
  },
};

beforeAll(async () => {
  pack = await componentPack('events-email-sendgrid');
  component = pack.open({ from_email: 'shop@example.com', from_name: 'The Shop' }, host);
}, 120_000);
beforeEach(() => {
  asked.length = 0;
  answer = { status: 202, message_id: 'id-1' };
});

interface Answer {
  readonly ok?: unknown;
  readonly err?: { readonly code: string; readonly message: string; readonly retryable: boolean };
}

async function send(input: Record<string, unknown>, operation = 'send', by = component): Promise<Answer> {
  const fault = pack.fault(operation, input);
  if (fault !== undefined)
    return { err: { code: 'operation_input_invalid', message: fault, retryable: false } };
  return by.call('invoke', operation, JSON.stringify(input)) as Answer;
}

const MAIL = { to: 'ann@example.org', subject: 'Your order', text: 'It is on its way.' };

describe('send', () => {
  test('makes the body of Mail Send of text, with the config’s sender, and returns the id', async () => {
    expect(await send(MAIL)).toEqual({ ok: { status: 202, message_id: 'id-1', recipients: 1 } });
    expect(asked).toEqual([
      {
        personalizations: [{ to: [{ email: 'ann@example.org' }] }],
        from: { email: 'shop@example.com', name: 'The Shop' },
        subject: 'Your order',
        content: [{ type: 'text/plain', value: 'It is on its way.' }],
      },
    ]);
    expect(pack.fault('send output', { status: 202, message_id: 'id-1', recipients: 1 })).toBeUndefined();
  });

  test('passes on everything that an email may have, each in the vendor’s place, and the vendor takes it', async () => {
    const input = {
      to: ['Ann <ann@example.org>', { email: 'bob@example.org', name: 'Bob' }],
      cc: '"Cy D." <cy@example.org>',
      bcc: [{ email: 'dee@example.org' }],
      from: 'Help <help@example.com>',
      reply_to: 'answers@example.com',
      subject: 'Grüße 👋',
      html: '<p>Hi\r\n\u202e</p>',
      text: 'Hi\r\n\u200b',
      attachments: [{ content: 'aGk=', filename: 'hi.txt', type: 'text/plain', disposition: 'attachment' }],
      categories: ['orders'],
      custom_args: { order: '42' },
      headers: { 'X-Order': '42' },
      send_at: '2026-11-24T09:00:00+01:00',
      asm: { group_id: 3 },
      sandbox: true,
    };
    answer = { status: 200, message_id: null };
    expect(await send(input)).toEqual({ ok: { status: 200, message_id: null, recipients: 4 } });
    expect(asked).toEqual([
      {
        personalizations: [
          {
            to: [
              { email: 'ann@example.org', name: 'Ann' },
              { email: 'bob@example.org', name: 'Bob' },
            ],
            cc: [{ email: 'cy@example.org', name: 'Cy D.' }],
            bcc: [{ email: 'dee@example.org' }],
          },
        ],
        from: { email: 'help@example.com', name: 'Help' },
        reply_to: { email: 'answers@example.com' },
        subject: 'Grüße 👋',
        content: [
          { type: 'text/plain', value: 'Hi\r\n\u200b' },
          { type: 'text/html', value: '<p>Hi\r\n\u202e</p>' },
        ],
        attachments: input.attachments,
        categories: ['orders'],
        custom_args: { order: '42' },
        headers: { 'X-Order': '42' },
        send_at: Date.UTC(2026, 10, 24, 8) / 1000,
        asm: { group_id: 3 },
        mail_settings: { sandbox_mode: { enable: true } },
      },
    ]);
    expect(mailErrors(asked[0], Date.UTC(2026, 10, 24) / 1000)).toEqual([]);
  });

  test('takes what stands just within the documented limits', async () => {
    const to = Array.from({ length: 1000 }, (_, index) => `a${index}@example.org`);
    const custom_args = { a: 'x'.repeat(9_991) };
    expect(await send({ ...MAIL, to, custom_args, categories: [...'abcdefghij'] })).toMatchObject({
      ok: { recipients: 1000 },
    });
    expect(mailErrors(asked[0], 0)).toEqual([]);
  });

  const many = (count: number, tag: string) =>
    Array.from({ length: count }, (_, index) => `${tag}${index}@example.org`);
  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['without to', { to: undefined }, 'operation_input_invalid', /to/],
    ['without subject', { subject: undefined }, 'operation_input_invalid', /subject/],
    ['without text and html', { text: undefined }, 'operation_input_invalid', /text/],
    ['with an unknown key', { boddy: 'a' }, 'operation_input_invalid', /boddy/],
    ['with a number as subject', { subject: 1 }, 'operation_input_invalid', /subject/],
    ['with an empty text', { text: '' }, 'operation_input_invalid', /text/],
    ['with a subject of 999 characters', { subject: 'x'.repeat(999) }, 'operation_input_invalid', /subject/],
    ['with no recipient', { to: [] }, 'operation_input_invalid', /to/],
    ['with null as recipient', { to: null }, 'operation_input_invalid', /to/],
    [
      'with a recipient of another shape',
      { to: [{ mail: 'a@example.org' }] },
      'operation_input_invalid',
      /to\/0/,
    ],
    [
      'with a custom argument that is no text',
      { custom_args: { a: 1 } },
      'operation_input_invalid',
      /custom_args/,
    ],
    ['with eleven categories', { categories: [...'abcdefghijk'] }, 'operation_input_invalid', /categories/],
    ['with a category twice', { categories: ['a', 'a'] }, 'operation_input_invalid', /categories/],
    [
      'with an attachment without a name',
      { attachments: [{ content: 'aGk=' }] },
      'operation_input_invalid',
      /attachments\/0/,
    ],
    [
      'with another disposition',
      { attachments: [{ content: 'aGk=', filename: 'a', disposition: 'x' }] },
      'operation_input_invalid',
      /disposition/,
    ],
    [
      'to what is no address',
      { to: ['ann@example.org', 'nobody'] },
      'email_address_invalid',
      /^to\[1\]: .*"nobody"/,
    ],
    ['to two addresses in one', { to: 'a@example.org,b@example.org' }, 'email_address_invalid', /^to: /],
    [
      'to an address with a line break',
      { to: 'a@example.org\r\nBcc: b@example.org' },
      'email_address_invalid',
      /^to: .*\\\\?r/,
    ],
    [
      'to an address with a zero-width character',
      { cc: 'a\u200b@example.org' },
      'email_address_invalid',
      /^cc: .*u200b/,
    ],
    [
      'to an address that is turned around',
      { bcc: ['\u202ea@example.org'] },
      'email_address_invalid',
      /^bcc\[0\]: .*u202e/,
    ],
    [
      'to a name with a line break',
      { to: { email: 'a@example.org', name: 'A\r\nBcc: b' } },
      'email_text_invalid',
      /^to\.name: .*U\+000D/,
    ],
    [
      'to a name that is turned around',
      { to: { email: 'a@example.org', name: '\u202egro.elpmaxe' } },
      'email_text_invalid',
      /U\+202E/,
    ],
    [
      'to a name with a semicolon',
      { to: { email: 'a@example.org', name: 'A; B' } },
      'email_text_invalid',
      /";" and ","/,
    ],
    ['to somebody twice', { cc: 'ANN@example.org' }, 'email_recipient_twice', /ANN@example.org/],
    [
      'to 1,001',
      { to: many(500, 'a'), cc: many(500, 'b'), bcc: 'c@example.org' },
      'email_recipients_too_many',
      /1001 came/,
    ],
    ['from two senders', { from: 'a@example.com', from_name: 'A' }, 'email_sender_twice', /^from: /],
    [
      'with a subject of two lines',
      { subject: 'Hi\nBcc: b@example.org' },
      'email_text_invalid',
      /^subject: .*U\+000A.*position 2/,
    ],
    [
      'with a subject with a zero-width space',
      { subject: 'Pay\u200bPal' },
      'email_text_invalid',
      /^subject: .*U\+200B/,
    ],
    [
      'with custom arguments of 10,000 bytes',
      { custom_args: { a: 'é'.repeat(4_996) } },
      'email_custom_args_too_large',
      /^custom_args: .*10000 came/,
    ],
    [
      'with a header that is the vendor’s',
      { headers: { bcc: 'b@example.org' } },
      'email_header_reserved',
      /^headers\.bcc/,
    ],
    [
      'with a header of two lines',
      { headers: { 'X-A': 'a\r\nBcc: b' } },
      'email_text_invalid',
      /^headers\.X-A/,
    ],
    ['with a header that has no name', { headers: { 'X A': 'a' } }, 'email_header_invalid', /X A/],
    ['with a category of two lines', { categories: ['a\nb'] }, 'email_text_invalid', /^categories\[0\]/],
    [
      'with an attachment that is no base64',
      { attachments: [{ content: 'aGk', filename: 'a' }] },
      'email_attachment_invalid',
      /^attachments\[0\]\.content/,
    ],
    [
      'with an attachment of no type',
      { attachments: [{ content: 'aGk=', filename: 'a', type: 'pdf' }] },
      'email_attachment_invalid',
      /^attachments\[0\]\.type/,
    ],
    [
      'with an attachment named in two lines',
      { attachments: [{ content: 'aGk=', filename: 'a\r\n.txt' }] },
      'email_text_invalid',
      /^attachments\[0\]\.filename/,
    ],
    [
      'with an inline attachment that nothing can name',
      { attachments: [{ content: 'aGk=', filename: 'a', disposition: 'inline' }] },
      'email_attachment_invalid',
      /content_id/,
    ],
    ['at no instant', { send_at: 'tomorrow' }, 'email_time_invalid', /^send_at: /],
  ])('refuses one %s, names the field, and sends nothing', async (_, change, code, message) => {
    const { err } = await send({ ...MAIL, ...change });
    expect(err).toEqual({ code, message: expect.stringMatching(message), retryable: false });
    expect(asked).toEqual([]);
  });

  test('refuses 30 MB before the call', async () => {
    // The schema's own bound is above what the host hands over.
    const attachments = Array.from({ length: 2 }, (_, index) => ({
      content: 'A'.repeat(15_000_000),
      filename: `${index}`,
    }));
    const { err } = component.call('invoke', 'send', JSON.stringify({ ...MAIL, attachments })) as Answer;
    expect(err).toMatchObject({
      code: 'email_too_large',
      message: expect.stringMatching(/^text, html, attachments: .*30000017/),
    });
  });

  test('needs a sender from somewhere, and takes the input’s before the config’s', async () => {
    const bare = pack.open(null, host);
    expect((await send(MAIL, 'send', bare)).err).toMatchObject({ code: 'email_sender_missing' });
    await send({ ...MAIL, from_email: 'other@example.com' }, 'send', bare);
    await send({ ...MAIL, from_email: 'other@example.com' });
    await send({ ...MAIL, from_name: 'Support' });
    expect(asked.map(({ from }) => from)).toEqual([
      { email: 'other@example.com' },
      { email: 'other@example.com' },
      { email: 'shop@example.com', name: 'Support' },
    ]);
  });

  test('hands on what the host refused', async () => {
    const refusing = pack.open(
      { from_email: 'a@example.com' },
      {
        sendgrid: {
          send: () => {
            throw { code: 'sendgrid_rate_limited', message: 'Later.', retryable: true };
          },
        },
      },
    );
    expect(await send(MAIL, 'send', refusing)).toEqual({
      err: { code: 'sendgrid_rate_limited', message: 'Later.', retryable: true },
    });
  });
});

describe('send_template', () => {
  test('takes the data by either name, and the config’s template', async () => {
    const own = pack.open({ from_email: 'a@example.com', template_id: 'd-own', sandbox: true }, host);
    await send({ to: 'ann@example.org', template_id: 'd-1', dynamic_data: { n: [1] } }, 'send_template', own);
    await send(
      { to: 'ann@example.org', dynamic_template_data: { n: 2 }, sandbox: false },
      'send_template',
      own,
    );
    const from = { email: 'a@example.com' };
    const to = [{ email: 'ann@example.org' }];
    const sandbox = { sandbox_mode: { enable: true } };
    expect(asked).toEqual([
      {
        personalizations: [{ to, dynamic_template_data: { n: [1] } }],
        from,
        template_id: 'd-1',
        mail_settings: sandbox,
      },
      { personalizations: [{ to, dynamic_template_data: { n: 2 } }], from, template_id: 'd-own' },
    ]);
    for (const mail of asked) expect(mailErrors(mail, 0)).toEqual([]);
  });

  test('refuses one without a template, and data by both names', async () => {
    const to = 'ann@example.org';
    expect((await send({ to }, 'send_template')).err?.code).toBe('email_template_missing');
    const both = { to, template_id: 'd-1', dynamic_data: {}, dynamic_template_data: {} };
    expect((await send(both, 'send_template')).err?.code).toBe('operation_input_invalid');
  });
});

test('a config with a key that is not known, or of another kind, does not match its schema', async () => {
  expect(pack.fault('config', null)).toBeUndefined();
  expect(pack.fault('config', { from_emial: 'a' })).toMatch(/from_emial/);
  expect(pack.fault('config', { sandbox: 'yes' })).toMatch(/sandbox/);
});

interface Outcome {
  readonly ok?: { readonly events: readonly Record<string, unknown>[] };
  readonly err?: { readonly code: string; readonly message: string };
}

function ingest(parts: Readonly<Record<string, unknown>>, by = component): Outcome {
  return by.call('ingest', requestText(parts)) as Outcome;
}

describe('the Event Webhook', () => {
  const ELEMENT = {
    email: 'ann@example.org',
    event: 'delivered',
    sg_event_id: 'event-1',
    sg_message_id: 'id-1.recvd-5f.0',
    timestamp: 1_600_112_492,
    'smtp-id': '<id-1@ismtpd>',
    order: '42',
  };
  const events = (body: unknown) =>
    ingest({ handler: 'events', body: typeof body === 'string' ? body : JSON.stringify(body) });

  test('is an event an element, with the vendor’s own id as key and the id that send returned', () => {
    const bounce = { ...ELEMENT, event: 'bounce', sg_event_id: 'event-2', reason: '550' };
    expect(events([ELEMENT, bounce]).ok?.events).toEqual([
      {
        event_type: 'sendgrid.delivered',
        idempotency_key: 'event-1',
        timestamp: 1_600_112_492_000,
        payload: { ...ELEMENT, message_id: 'id-1' },
      },
      {
        event_type: 'sendgrid.bounce',
        idempotency_key: 'event-2',
        timestamp: 1_600_112_492_000,
        payload: { ...bounce, message_id: 'id-1' },
      },
    ]);
  });

  test.each([
    ['a kind that no event type can be', { event: 'Über.neu' }, { event_type: 'sendgrid.other' }],
    ['the kind "result"', { event: 'result' }, { event_type: 'sendgrid.other' }],
    ['no kind', { event: undefined }, { event_type: 'sendgrid.other' }],
    [
      'no id',
      { sg_event_id: undefined },
      { idempotency_key: '["id-1.recvd-5f.0","delivered","ann@example.org",1600112492,null]' },
    ],
    [
      'an id of 2,000 characters',
      { sg_event_id: 'x'.repeat(2000) },
      { idempotency_key: expect.stringContaining('id-1') },
    ],
    ['no time', { timestamp: 'now' }, { event_type: 'sendgrid.delivered' }],
    [
      'texts that are turned around',
      { email: '\u202ea@example.org\r\n\u200b' },
      { payload: expect.objectContaining({ email: '\u202ea@example.org\r\n\u200b' }) },
    ],
  ])('with %s in an element loses nothing', (_, change, expected) => {
    expect(events([{ ...ELEMENT, ...change }, ELEMENT]).ok?.events).toEqual([
      expect.objectContaining(expected),
      expect.objectContaining({ event_type: 'sendgrid.delivered' }),
    ]);
  });

  test.each([
    ['nothing', ''],
    ['no JSON', '[{'],
    ['an object', ELEMENT],
    ['an array of numbers', [1]],
    ['an array with null', [ELEMENT, null]],
  ])('of %s is refused', (_, body) => {
    expect(events(body).err?.code).toBe('sendgrid_events_invalid');
  });

  test('of an empty array is taken', () => {
    expect(events('[]').ok?.events).toEqual([]);
  });

  test('at another path is refused, and so is a path of none', () => {
    for (const handler of ['event', 'Events', null]) {
      expect(ingest({ handler, body: '[]' }).err).toMatchObject({ code: 'handler_unknown' });
    }
  });

  test('of 1,000 events takes no longer than its cell allows, and each has its key', () => {
    const many = Array.from({ length: 1000 }, (_, index) => ({ ...ELEMENT, sg_event_id: `e${index}` }));
    expect(new Set(events(many).ok?.events.map(({ idempotency_key }) => idempotency_key)).size).toBe(1000);
  });
});

describe('Inbound Parse', () => {
  const mail = {
    from: 'A <a@example.org>',
    to: 'in@example.com',
    subject: 'Grüße\u202e',
    text: 'é\r\n--x',
    html: '<b>é</b>',
  };
  const inbound = (bytes: Uint8Array, type: string, by = component) =>
    ingest({ handler: 'inbound', headers: { 'content-type': type }, ...bodyParts(bytes) }, by);

  test('is one event with its fields, its envelope as JSON and its attachments', () => {
    const bytes = new Uint8Array([0, 255, 13, 10, 45, 45, 1]);
    const attachments = [
      { filename: 'ä "1".bin', type: 'application/octet-stream', bytes },
      { filename: 'b.txt', type: 'text/plain', bytes: new TextEncoder().encode('é') },
    ];
    for (const files of [attachments, attachments.slice(1)]) {
      const named = files.map((file) => ({ ...file, filename: file.filename.replaceAll('"', '%22') }));
      const { type, bytes: body } = inboundBody({ ...mail, attachments: named });
      const [event] = inbound(body, type).ok?.events ?? [];
      expect(event).toMatchObject({
        event_type: 'sendgrid.inbound',
        payload: {
          ...mail,
          envelope: { to: ['in@example.com'], from: 'a@example.org' },
          SPF: 'pass',
          attachments: files.map((file, index) => ({
            field: `attachment${index + 1}`,
            filename: file.filename,
            type: file.type,
            size: file.bytes.length,
            content: Buffer.from(file.bytes).toString('base64'),
          })),
        },
      });
    }
  });

  test('with fields named __proto__ and constructor has fields of those names', () => {
    const text = `${part('from')}${part('__proto__')}${part('constructor')}--b--`;
    const [event] =
      inbound(new TextEncoder().encode(text), 'multipart/form-data; boundary=b').ok?.events ?? [];
    const entries = Object.entries(event?.payload ?? {});
    for (const name of ['__proto__', 'constructor']) expect(entries).toContainEqual([name, 'x']);
  });

  test('has its Message-ID and its envelope as key', () => {
    const { type, bytes } = inboundBody(mail);
    const text = new TextDecoder()
      .decode(bytes)
      .replace('From: A', 'Message-Id: <m1@example.org>\r\nFrom: A');
    const [event] = inbound(new TextEncoder().encode(text), type).ok?.events ?? [];
    expect(event?.idempotency_key).toBe('<m1@example.org> ["in@example.com"]');
    expect(inbound(bytes, type).ok?.events[0]).not.toHaveProperty('idempotency_key');
  });

  test('reads fields by their charsets, and hands on what it does not know as it came', () => {
    const field = (name: string, value: string) =>
      `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const text = `${field('from', 'a')}${field('subject', '\x80 \xe9')}${field('text', '\xa4\xa2')}${field('html', '\xc3\xa9\xff\xe2\x82')}${field('charsets', '{"subject":"windows-1252","text":"EUC-JP","html":"UTF-8"}')}--b--\r\n`;
    const [event] =
      inbound(Buffer.from(text, 'latin1'), 'multipart/form-data; boundary="b"').ok?.events ?? [];
    expect(event?.payload).toMatchObject({
      subject: '€ é',
      html: 'é\ufffd\ufffd\ufffd',
      undecoded: { text: { charset: 'EUC-JP', content: 'pKI=' } },
    });
  });

  test('brings attachments up to the config’s size, and of the others what they are', async () => {
    const small = pack.open({ max_attachment_bytes: 3 }, host);
    const file = (filename: string, length: number) => ({
      filename,
      type: 'text/plain',
      bytes: new Uint8Array(length).fill(65),
    });
    const { type, bytes } = inboundBody({ ...mail, attachments: [file('a', 2), file('b', 2), file('c', 1)] });
    expect(inbound(bytes, type, small).ok?.events[0]?.payload).toMatchObject({
      attachments: [
        { filename: 'a', size: 2, content: 'QUE=' },
        { filename: 'b', size: 2, content: null },
        { filename: 'c', size: 1, content: 'QQ==' },
      ],
    });
  });

  const part = (name: string) => `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\nx\r\n`;
  test.each([
    ['no boundary', 'multipart/form-data', 'x', /without a boundary/],
    ['a boundary of 71 characters', `multipart/form-data; boundary=${'b'.repeat(71)}`, 'x', /1 to 70/],
    ['no part', 'multipart/form-data; boundary=b', 'x', /no part/],
    ['no end', 'multipart/form-data; boundary=b', part('from'), /ends without/],
    ['half a boundary', 'multipart/form-data; boundary=b', `${part('from')}--`, /ends without/],
    ['a part without headers', 'multipart/form-data; boundary=b', '--b\r\nx\r\n--b--', /empty line/],
    [
      'headers without end',
      'multipart/form-data; boundary=b',
      `--b\r\nx: ${'y'.repeat(9000)}\r\n\r\nx\r\n--b--`,
      /8192/,
    ],
    [
      'a part without a name',
      'multipart/form-data; boundary=b',
      '--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--',
      /no field/,
    ],
    [
      '201 parts',
      'multipart/form-data; boundary=b',
      `${Array.from({ length: 201 }, (_, index) => part(`f${index}`)).join('')}--b--`,
      /more than 200/,
    ],
    ['100,000 boundaries', 'multipart/form-data; boundary=b', '--b\r\n'.repeat(100_000), /multipart body/],
    ['something behind a boundary', 'multipart/form-data; boundary=b', '--bc\r\n', /behind it/],
  ])('with %s is refused', (_, type, body, message) => {
    expect(inbound(new TextEncoder().encode(body), type).err).toMatchObject({
      code: 'multipart_invalid',
      message: expect.stringMatching(message),
    });
  });

  test('that is no email is refused', () => {
    const body = new TextEncoder().encode(`${part('a')}--b--`);
    expect(inbound(body, 'multipart/form-data; boundary=b').err?.code).toBe('sendgrid_inbound_invalid');
  });
});
