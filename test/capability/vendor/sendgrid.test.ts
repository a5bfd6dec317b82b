import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NO_GRANTS } from '../../../host/grant/grants.ts';
import { type FakeSendgrid, openSendgrid } from '../../fakes/sendgrid/sendgrid.ts';
import { http, refusal } from '../http/outside.ts';
import { KEY, mailGrant, openSendgridCapability, send } from './account.ts';

const NOW = 1_790_000_000_000;
let fake: FakeSendgrid;
beforeEach(async () => {
  fake = await openSendgrid({
    apiKey: KEY,
    verifiedSenders: ['example.com', 'news.example.com'],
    now: () => NOW,
  });
});
afterEach(() => fake.close());

const to = (...emails: string[]) => emails.map((email) => ({ email }));
const MAIL = {
  personalizations: [{ to: to('ann@example.com') }],
  from: { email: 'shop@example.com', name: 'Shop' },
  subject: 'Your order',
  content: [{ type: 'text/plain', value: 'Thank you' }],
};

describe('email', () => {
  test('goes out by the account, and its result is the status and the id of the message', async () => {
    const targets: string[] = [];
    const result = await send(openSendgridCapability(), mailGrant(fake.url), MAIL, {
      onTarget: (target) => targets.push(target),
    });
    expect(fake.mails.map(({ mail }) => mail)).toEqual([MAIL]);
    expect(result).toEqual({ status: 202, message_id: fake.mails[0]?.id });
    expect(targets).toEqual(['shop@example.com to 1 at example.com']);
  });

  test('with all that the vendor has arrives as it was written', async () => {
    const mail = {
      ...MAIL,
      personalizations: [
        {
          to: [{ email: 'ann@example.com', name: 'Ann é 👩‍🚀' }],
          cc: to('bob@eu.customer.example'),
          bcc: to('ceo@partner.example'),
          subject: 'For you',
          headers: { 'X-Order': '17' },
          custom_args: { order: '17' },
          send_at: NOW / 1000 + 60,
        },
        { to: to('cat@example.com'), from: { email: 'a@news.example.com' } },
      ],
      reply_to: { email: 'shop@example.com', name: 'Shop' },
      attachments: [
        { content: 'aGk=', filename: 'a.txt', type: 'text/plain', disposition: 'inline', content_id: 'a' },
      ],
      headers: { 'List-Unsubscribe': '<https://example.com/u>' },
      categories: ['orders'],
      custom_args: { shop: 'a' },
      asm: { group_id: 1, groups_to_display: [1, 2] },
      ip_pool_name: 'pool',
      mail_settings: { footer: { enable: true, text: 'Bye' }, bypass_list_management: { enable: false } },
      tracking_settings: { click_tracking: { enable: false, enable_text: false } },
    };
    await send(openSendgridCapability(), mailGrant(fake.url), mail);
    expect(fake.mails[0]?.mail).toEqual(mail);
  });

  test('leaves out what is null, as serializers write it', async () => {
    const mail = { ...MAIL, reply_to: null, attachments: null, send_at: null };
    await send(openSendgridCapability(), mailGrant(fake.url), mail);
    expect(fake.mails[0]?.mail).toEqual(MAIL);
  });

  test('is only checked where the grant says so, whatever the plugin wants', async () => {
    const mail = { ...MAIL, mail_settings: { sandbox_mode: { enable: false } } };
    const result = await send(openSendgridCapability(), mailGrant(fake.url, { sandbox_only: true }), mail);
    expect(result).toEqual({ status: 200, message_id: null });
    expect([fake.mails.length, fake.sandboxed.length]).toEqual([0, 1]);
  });

  test('has a key for repeats that is the run’s, and one of its own outside of a run', async () => {
    const keys: (string | undefined)[] = [];
    const server = await http((request, response) => {
      keys.push(String(request.headers['idempotency-key']));
      response.writeHead(202).end();
    });
    const capability = openSendgridCapability();
    for (const key of ['of-the-step', 'of-the-step', 'a\r\nx: 1', undefined, undefined]) {
      await send(capability, mailGrant(server.origin), MAIL, key === undefined ? {} : { key });
    }
    expect(keys.slice(0, 2)).toEqual(['of-the-step', 'of-the-step']);
    expect(new Set(keys.slice(2)).size).toBe(3);
    expect(keys.slice(2).every((key) => /^[0-9a-f-]{36}$/.test(key ?? ''))).toBe(true);
  });

  test('is sent to the checked form of an address: a domain of other letters in ASCII', async () => {
    const mail = { ...MAIL, personalizations: [{ to: to('Ann@BÜCHER.customer.example') }] };
    await send(openSendgridCapability(), mailGrant(fake.url), mail);
    expect(fake.mails[0]?.mail.personalizations).toEqual([
      { to: [{ email: 'Ann@xn--bcher-kva.customer.example' }] },
    ]);
  });
});

describe('a grant of email', () => {
  const refused = async (document: unknown, more: object = {}) => {
    const error = await refusal(send(openSendgridCapability(), mailGrant(fake.url, more), document));
    expect(fake.mails).toEqual([]);
    return { code: error.code, message: error.message };
  };
  const [person] = MAIL.personalizations;

  test('that is not there denies everything, with the line that would allow it', async () => {
    const error = await refusal(send(openSendgridCapability(), NO_GRANTS, MAIL));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain('sendgrid: { key: SENDGRID_KEY');
  });

  test.each<[string, object, string]>([
    ['another sender', { from: { email: 'boss@example.com' } }, 'from: ["boss@example.com"]'],
    [
      'another sender in a personalization',
      { personalizations: [person, { ...person, from: { email: 'boss@example.com' } }] },
      'from: ["boss@example.com"]',
    ],
    ['answers to somebody else', { reply_to: { email: 'a@evil.example' } }, 'reply_to: ["a@evil.example"]'],
    [
      'answers to one of a list',
      { reply_to_list: to('shop@example.com', 'a@evil.example') },
      'reply_to: ["a@evil',
    ],
    ['a recipient elsewhere', { personalizations: [{ to: to('a@evil.example') }] }, 'to: ["*@evil.example"]'],
    [
      'a copy elsewhere, in the last of many',
      { personalizations: [person, person, { ...person, cc: to('a@evil.example') }] },
      'personalizations[2].cc[0].email',
    ],
    [
      'a blind copy elsewhere',
      { personalizations: [{ ...person, bcc: to('a@evil.example') }] },
      '*@evil.example',
    ],
    [
      'another person of a granted one’s domain',
      { personalizations: [{ to: to('cfo@partner.example') }] },
      'partner',
    ],
    [
      'the domain above those granted',
      { personalizations: [{ to: to('a@customer.example') }] },
      'customer.example',
    ],
    ['a domain that ends alike', { personalizations: [{ to: to('a@notexample.com') }] }, 'notexample.com'],
    [
      'who unsubscribed',
      { mail_settings: { bypass_list_management: { enable: true } } },
      'sendgrid: { bypass: true }',
    ],
  ])('does not allow %s', async (_title, more, line) => {
    const { code, message } = await refused({ ...MAIL, ...more });
    expect(code).toBe('capability_denied');
    expect(message).toContain(line);
  });

  test('with templates allows these and no content', async () => {
    const more = { templates: ['d-1'] };
    expect((await refused({ ...MAIL, template_id: 'd-2' }, more)).message).toContain('templates: ["d-2"]');
    expect((await refused(MAIL, more)).code).toBe('capability_denied');
    expect((await refused({ ...MAIL, template_id: 'd-1' }, more)).code).toBe('capability_denied');
    const { content: _content, ...mail } = MAIL;
    await send(openSendgridCapability(), mailGrant(fake.url, more), { ...mail, template_id: 'd-1' });
    expect(fake.mails).toHaveLength(1);
  });

  test('with bypass lets a plugin pass over unsubscribes', async () => {
    const mail = { ...MAIL, mail_settings: { bypass_unsubscribe_management: { enable: true } } };
    await send(openSendgridCapability(), mailGrant(fake.url, { bypass: true }), mail);
    expect(fake.mails).toHaveLength(1);
  });

  test('counts recipients against its rate, and has room again after a while', async () => {
    let clock = 0;
    const capability = openSendgridCapability({ monotonicMs: () => clock });
    const grants = mailGrant(fake.url, { rate: '3/min' });
    const two = { ...MAIL, personalizations: [{ to: to('a@example.com', 'b@example.com') }] };
    await send(capability, grants, two);
    const error = await refusal(send(capability, grants, two));
    expect([error.code, error.retryable, error.retryAfterMs]).toEqual(['grant_rate_exceeded', true, 20_000]);
    expect(error.message).toContain('rate 3/min');
    await send(capability, grants, two, { tenant: 'acme' });
    await send(capability, grants, two, { source: 'another' });
    clock += 20_000;
    await send(capability, grants, two);
    expect(fake.mails).toHaveLength(4);
    const four = {
      ...MAIL,
      personalizations: [
        { to: to('a@example.com'), cc: to('b@example.com', 'c@example.com', 'd@example.com') },
      ],
    };
    const denied = await refusal(send(capability, grants, four));
    expect([denied.code, denied.retryable]).toEqual(['capability_denied', false]);
  });
});

describe('what SendGrid answers', () => {
  const failing = (answer: Parameters<FakeSendgrid['script']['answer']>[0]) => {
    fake.script.answer(answer);
    return refusal(send(openSendgridCapability({ now: () => NOW }), mailGrant(fake.url), MAIL));
  };

  test('with 400 names the field, in its own words', async () => {
    const error = await refusal(
      send(openSendgridCapability(), mailGrant(fake.url), { ...MAIL, categories: [...'abcdefghijk'] }),
    );
    expect([error.code, error.retryable]).toEqual(['sendgrid_invalid', false]);
    expect(error.message).toMatch(/^SendGrid refused the email: categories: .*at most 10/);
  });

  test.each([
    [401, 'sendgrid_unauthorized', false],
    [403, 'sendgrid_unauthorized', false],
    [404, 'http_response_invalid', false],
    [301, 'http_response_invalid', false],
    [413, 'sendgrid_too_large', false],
    [429, 'sendgrid_rate_limited', true],
    [500, 'sendgrid_unavailable', true],
    [503, 'sendgrid_unavailable', true],
  ])('with %i is %s', async (status, code, retryable) => {
    const error = await failing({ status, body: { errors: [{ message: 'Sorry.', field: null }] } });
    expect([error.code, error.retryable]).toEqual([code, retryable]);
    expect(error.message).toContain('Sorry');
  });

  test.each([
    ['no JSON', '<html>'],
    ['nothing', ''],
    ['JSON of another kind', '[1]'],
    ['errors of another kind', { errors: [1, null, { message: 1 }] }],
    ['JSON as deep as it is long', '['.repeat(10_000)],
  ])('with %s for an explanation is told by its status', async (_title, body) => {
    expect((await failing({ status: 400, body })).code).toBe('sendgrid_invalid');
  });

  test('by a redirect is not followed', async () => {
    const stray = await http((_request, response) => response.writeHead(202).end());
    await failing({ status: 307, headers: { location: `${stray.origin}/v3/mail/send` } });
    expect(stray.accepted()).toBe(0);
  });

  test.each([
    ['Retry-After', { 'retry-after': '30' }, 30_000],
    ['Retry-After as a date', { 'retry-after': new Date(NOW + 30_000).toUTCString() }, 30_000],
    ['X-RateLimit-Reset', { 'x-ratelimit-reset': String(NOW / 1000 + 12) }, 12_000],
    ['neither', {}, undefined],
    ['nonsense', { 'retry-after': 'soon' }, undefined],
  ])('with 429 and %s says when to try again', async (_title, headers, ms) => {
    expect((await failing({ status: 429, headers })).retryAfterMs).toBe(ms);
  });

  test('with a time to come back keeps that provider, and no other, from asking until then', async () => {
    let clock = 0;
    const capability = openSendgridCapability({ monotonicMs: () => clock, now: () => NOW });
    const grants = mailGrant(fake.url);
    fake.script.answer({ status: 503, headers: { 'retry-after': '30' } });
    await refusal(send(capability, grants, MAIL));
    clock += 29_000;
    const early = await refusal(send(capability, grants, MAIL));
    expect([early.code, early.retryAfterMs]).toEqual(['sendgrid_rate_limited', 1000]);
    await send(capability, grants, MAIL, { source: 'another' });
    clock += 1001;
    await send(capability, grants, MAIL);
    expect(fake.mails).toHaveLength(2);
  });

  test('with a pause of years is waited for an hour', async () => {
    let clock = 0;
    const capability = openSendgridCapability({ monotonicMs: () => clock });
    fake.script.answer({ status: 429, headers: { 'retry-after': '999999999' } });
    await refusal(send(capability, mailGrant(fake.url), MAIL));
    clock += 3_600_001;
    await send(capability, mailGrant(fake.url), MAIL);
    expect(fake.mails).toHaveLength(1);
  });

  test('by hanging up, or not at all, is a failure of the network that may pass', async () => {
    fake.script.drop();
    const dropped = await refusal(send(openSendgridCapability(), mailGrant(fake.url), MAIL));
    expect([dropped.code, dropped.retryable]).toEqual(['http_interrupted', true]);
    const release = fake.script.hold();
    const late = await refusal(
      send(openSendgridCapability(), mailGrant(fake.url, { timeout: '50ms' }), MAIL),
    );
    expect([late.code, late.retryable]).toEqual(['http_timeout', true]);
    release();
  });

  test.each([
    ['as it is', KEY],
    ['as it was sent', `Bearer ${KEY}`],
    ['in base64', Buffer.from(KEY).toString('base64')],
    ['percent-encoded', encodeURIComponent(KEY)],
  ])('with the key %s does not tell the plugin the key', async (_title, form) => {
    const error = await failing({
      status: 400,
      body: { errors: [{ message: `not ${form}!`, field: form }] },
    });
    expect(error.message).not.toContain(form);
    expect(error.message).toContain('not [the key]!');
  });

  test('cannot steer a terminal, nor be longer than a few lines', async () => {
    const message = `a\u001b[31m\u202e${'b'.repeat(5000)}`;
    const error = await failing({ status: 400, body: { errors: Array(50).fill({ message }) } });
    expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(error.message.length).toBeLessThan(2048);
    expect(error.message).toContain('and 45 more');
  });

  test('with an id that is none is an email without one', async () => {
    fake.script.answer({ status: 202, headers: { 'x-message-id': `a "${KEY}" b` } });
    expect(await send(openSendgridCapability(), mailGrant(fake.url), MAIL)).toEqual({
      status: 202,
      message_id: null,
    });
  });
});

describe('where email goes', () => {
  test('is checked like a request of http: a private address is refused unless the grant names its network', async () => {
    const capability = openSendgridCapability({ http: { resolve: async () => ['169.254.169.254'] } });
    const grants = mailGrant('https://api.eu.sendgrid.com');
    const error = await refusal(send(capability, grants, MAIL));
    expect(error.code).toBe('capability_denied');
    expect(error.message).toContain('sendgrid: { networks: ["169.254.169.254/32"] }');
  });

  test('carries no key in plain HTTP to a public address', async () => {
    const capability = openSendgridCapability({ http: { resolve: async () => ['93.184.216.34'] } });
    const error = await refusal(send(capability, mailGrant('http://api.test:1'), MAIL));
    expect(error.message).toContain('a credential would go to a public address in plain HTTP');
  });
});
