import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requestOf, text as verdict, verifier } from '../ingress/signature/signed.ts';
import { receiver } from './receiver.ts';
import { type FakeSendgrid, openSendgrid } from './sendgrid/sendgrid.ts';
import { inboundBody } from './sendgrid/webhooks.ts';

const NOW = 1_790_000_000_000;
let fake: FakeSendgrid;
beforeEach(async () => {
  fake = await openSendgrid({ apiKey: 'SG.key', verifiedSenders: ['example.com'], now: () => NOW });
});
afterEach(() => fake.close());

/** The vendor's own first example (docs.sendgrid.com/api-reference/mail-send). */
const MAIL = {
  personalizations: [{ to: [{ email: 'john_doe@example.com', name: 'John Doe' }], subject: 'Hello, World!' }],
  from: { email: 'sam.smith@example.com', name: 'Sam Smith' },
  content: [{ type: 'text/plain', value: 'Heya!' }],
};

async function send(body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${fake.url}/v3/mail/send`, {
    method: 'POST',
    headers: { authorization: 'Bearer SG.key', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    errors: text === '' ? [] : JSON.parse(text).errors,
  };
}

describe('the fake of Mail Send', () => {
  test('takes what the documentation shows, with 202, no body and an id', async () => {
    const answer = await send(MAIL);
    expect(answer.status).toBe(202);
    expect(answer.headers.get('x-message-id')).toMatch(/^[\w-]{22}$/);
    expect(fake.mails).toEqual([{ id: answer.headers.get('x-message-id'), mail: MAIL }]);
  });

  test('checks a message in sandbox mode and throws it away, with 200', async () => {
    const answer = await send({ ...MAIL, mail_settings: { sandbox_mode: { enable: true } } });
    expect([answer.status, answer.headers.get('x-message-id')]).toEqual([200, null]);
    expect([fake.mails.length, fake.sandboxed.length]).toEqual([0, 1]);
  });

  const [person] = MAIL.personalizations;
  const many = Array.from({ length: 1001 }, (_, index) => ({ email: `a${index}@example.com` }));
  test.each<[string, unknown, string | null, RegExp]>([
    ['no JSON', '{', null, /^Bad Request$/],
    ['no personalizations', { ...MAIL, personalizations: [] }, 'personalizations', /at least one/],
    [
      'nobody to send to',
      { ...MAIL, personalizations: [{ to: [], subject: 'a' }] },
      'personalizations.0.to',
      /at least one email object/,
    ],
    [
      'no address',
      { ...MAIL, personalizations: [{ ...person, to: [{ email: 'nobody' }] }] },
      'personalizations.0.to.0.email',
      /valid address/,
    ],
    [
      'somebody twice',
      { ...MAIL, personalizations: [{ ...person, cc: [{ email: 'John_doe@example.com' }] }] },
      'personalizations.0',
      /unique between to, cc, and bcc/,
    ],
    [
      '1,001 recipients',
      { ...MAIL, personalizations: [{ ...person, to: many }] },
      'personalizations',
      /no more than 1000/,
    ],
    ['no sender', { ...MAIL, from: undefined }, 'from.email', /from object must be provided/],
    ['no subject', { ...MAIL, personalizations: [{ to: person?.to }] }, 'subject', /subject is required/],
    ['no content', { ...MAIL, content: undefined }, 'content', /content parameter is required/],
    [
      'empty content',
      { ...MAIL, content: [{ type: 'text/plain', value: '' }] },
      'content.0.value',
      /at least one character/,
    ],
    [
      'HTML before text',
      {
        ...MAIL,
        content: [
          { type: 'text/html', value: 'a' },
          { type: 'text/plain', value: 'a' },
        ],
      },
      'content',
      /in this order/,
    ],
    [
      'an attachment that is no base64',
      { ...MAIL, attachments: [{ content: 'é', filename: 'a' }] },
      'attachments.0.content',
      /base64/,
    ],
    ['eleven categories', { ...MAIL, categories: [...'abcdefghijk'] }, 'categories', /at most 10/],
    [
      'custom arguments of 10,000 bytes',
      { ...MAIL, custom_args: { a: 'x'.repeat(9_992) } },
      'custom_args',
      /less than 10000 bytes/,
    ],
    ['a custom argument that is no text', { ...MAIL, custom_args: { a: 1 } }, 'custom_args', /strings/],
    ['a header that is the vendor’s', { ...MAIL, headers: { Subject: 'a' } }, 'headers.Subject', /reserved/],
    ['more than 72 hours ahead', { ...MAIL, send_at: NOW / 1000 + 259_201 }, 'send_at', /72 hours/],
    ['a wrong type', { ...MAIL, subject: 1 }, 'subject', /Expected: string, given: integer/],
    ['an unknown key', { ...MAIL, subjekt: 'a' }, 'subjekt', /not allowed/],
  ])('refuses %s with 400 and the field', async (_, body, field, message) => {
    const { status, errors } = await send(body);
    expect(status).toBe(400);
    expect(errors[0]).toEqual({
      field,
      message: expect.stringMatching(message),
      help: field === null ? null : expect.stringMatching(/^http/),
    });
    expect(fake.mails).toEqual([]);
  });

  test('takes what stands just within the limits', async () => {
    const mail = {
      ...MAIL,
      personalizations: [{ ...person, to: many.slice(0, 1000) }],
      custom_args: { a: 'x'.repeat(9_991) },
      categories: [...'abcdefghij'],
      send_at: NOW / 1000 + 259_200,
    };
    expect((await send(mail)).status).toBe(202);
  });

  test('answers 401 to another key, 403 to another sender, 413 to 30 MB, 415 to another type', async () => {
    expect(await send(MAIL, { authorization: 'Bearer SG.other' })).toMatchObject({
      status: 401,
      errors: [
        {
          message: 'The provided authorization grant is invalid, expired, or revoked',
          field: null,
          help: null,
        },
      ],
    });
    expect(await send({ ...MAIL, from: { email: 'a@example.org' } })).toMatchObject({
      status: 403,
      errors: [{ message: expect.stringMatching(/verified Sender Identity/), field: 'from', help: null }],
    });
    expect((await send('x'.repeat(30_000_001))).status).toBe(413);
    expect((await send(MAIL, { 'content-type': 'text/plain' })).status).toBe(415);
  });

  test('answers 429 past its rate, with when it is over', async () => {
    const limited = await openSendgrid({
      apiKey: 'SG.key',
      verifiedSenders: ['example.com'],
      maxRequests: 1,
      now: () => NOW,
    });
    const post = () =>
      fetch(`${limited.url}/v3/mail/send`, {
        method: 'POST',
        headers: { authorization: 'Bearer SG.key', 'content-type': 'application/json' },
        body: JSON.stringify(MAIL),
      });
    expect((await post()).status).toBe(202);
    const answer = await post();
    expect(answer.status).toBe(429);
    expect(await answer.json()).toEqual({
      errors: [{ message: 'too many requests', field: null, help: null }],
    });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-ratelimit-limit': '1',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '1790000001',
    });
    await limited.close();
  });

  test('does what its script says, once each, and complains of what was not reached', async () => {
    fake.script.answer({ status: 503, headers: { 'retry-after': '7' }, body: { errors: [] } });
    fake.script.drop();
    const release = fake.script.hold();
    expect((await send(MAIL)).headers.get('retry-after')).toBe('7');
    await expect(send(MAIL)).rejects.toThrow();
    const slow = send(MAIL);
    release();
    expect((await slow).status).toBe(202);
    expect(fake.mails).toHaveLength(1);
    const other = await openSendgrid({ apiKey: 'a', verifiedSenders: [] });
    other.script.drop();
    await expect(other.close()).rejects.toThrow('1 steps of the fake');
  });
});

describe('its webhooks', () => {
  const checked = () => verifier({ sendgrid: { secret: 'KEY' } }, { KEY: fake.webhooks.publicKey });

  test('post events as an array, signed as the host’s check of the published vectors asks', async () => {
    const inbox = await receiver();
    await send({ ...MAIL, categories: ['orders'], custom_args: { order: '42' } });
    const [mail] = fake.mails;
    if (mail === undefined) throw new Error('There is a message.');
    const events = [...fake.webhooks.eventsOf(mail, 'delivered'), ...fake.webhooks.eventsOf(mail, 'bounce')];
    expect(await fake.webhooks.sendEvents(`${inbox.url}/a?b=c`, events)).toMatchObject({ status: 202 });
    const [got] = inbox.requests;
    expect(JSON.parse(got?.body.toString() ?? '')).toEqual(events);
    expect(events[0]).toMatchObject({
      email: 'john_doe@example.com',
      event: 'delivered',
      order: '42',
      category: ['orders'],
      sg_message_id: expect.stringMatching(new RegExp(`^${mail.id}\\.`)),
    });
    expect(new Set(events.map(({ sg_event_id }) => sg_event_id)).size).toBe(2);
    expect(verdict(checked().verify(requestOf(got?.body ?? '', got?.headers), NOW))).toBe(
      'verified sendgrid',
    );
    expect(verdict(checked().verify(requestOf(`${got?.body} `, got?.headers), NOW))).toMatch(/^refused/);
    await inbox.close();
  });

  test('post an inbound email as multipart, with its bytes, signed', async () => {
    const inbox = await receiver();
    const bytes = new Uint8Array([0, 255, 13, 10, 45, 45]);
    await fake.webhooks.sendInbound(inbox.url, {
      from: 'A <a@example.org>',
      to: 'in@example.com',
      subject: 'Grüße',
      text: 'é',
      attachments: [{ filename: 'a.bin', type: 'application/octet-stream', bytes }],
    });
    const [got] = inbox.requests;
    const form = await new Response(new Uint8Array(got?.body ?? []), {
      headers: { 'content-type': got?.headers['content-type'] ?? '' },
    }).formData();
    expect(form.get('subject')).toBe('Grüße');
    expect(JSON.parse(String(form.get('envelope')))).toEqual({
      to: ['in@example.com'],
      from: 'a@example.org',
    });
    const file = form.get('attachment1');
    expect(file instanceof File ? new Uint8Array(await file.arrayBuffer()) : file).toEqual(bytes);
    expect(verdict(checked().verify(requestOf(got?.body ?? '', got?.headers), NOW))).toBe(
      'verified sendgrid',
    );
    expect(inboundBody({ from: 'a', to: 'b', subject: 'c' }).type).toMatch(
      /^multipart\/form-data; boundary=/,
    );
    await inbox.close();
  });
});
