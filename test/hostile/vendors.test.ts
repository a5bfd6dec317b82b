import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TenantId } from '../../host/event/names.ts';
import { ACCOUNT, FROM, KEY, mailGrant, messageGrant, TOKEN } from '../capability/vendor/account.ts';
import { type FakeSendgrid, openSendgrid } from '../fakes/sendgrid/sendgrid.ts';
import { type FakeTwilio, openTwilio } from '../fakes/twilio/twilio.ts';
import { Arena, type Outcome } from './arena.ts';
import { KINDS, restJob, strikeJob } from './asker-text.ts';
import { World } from './world.ts';

/** The whole way, from a guest in its cell through the broker to servers that behave as the vendors do. */

const world = new World({ secrets: { KEY, TOKEN } });
const arena = new Arena(world.performs);
beforeAll(() => arena.open());

let mails: FakeSendgrid;
let messages: FakeTwilio;
beforeEach(async () => {
  mails = await openSendgrid({ apiKey: KEY, verifiedSenders: ['example.com'] });
  messages = await openTwilio({ accountSid: ACCOUNT, authToken: TOKEN, senders: [FROM, '+15005550099'] });
});
afterEach(async () => {
  await mails.close();
  await messages.close();
});

const SECRET = /SG\.of|token\/of/;

const to = (...emails: string[]) => emails.map((email) => ({ email }));
const person = { to: to('ann@example.com') };
const MAIL = {
  personalizations: [person],
  from: { email: 'shop@example.com' },
  subject: 'Hi',
  content: [{ type: 'text/plain', value: 'Hi' }],
};

describe.each(KINDS)('%s', (_, asker) => {
  let mailer: TenantId;
  let texter: TenantId;
  beforeAll(async () => {
    // Linked once; the world's grants, which the broker asks for at each call, point to the fakes of each test.
    const anywhere = mailGrant('http://127.0.0.1:1');
    const mail = await asker({ capability: 'sendgrid', fn: 'send' });
    const { sendgrid } = anywhere;
    mailer = arena.admit(await arena.code({ wasm: mail, exports: ['invoke'], grants: { sendgrid } }));
    const text = await asker({ capability: 'twilio', fn: 'send' });
    const { twilio } = messageGrant('http://127.0.0.1:1');
    texter = arena.admit(await arena.code({ wasm: text, exports: ['invoke'], grants: { twilio } }));
  });

  const strike = (tenant: TenantId, document: unknown): Promise<Outcome> =>
    arena.call(tenant, strikeJob(JSON.stringify(document)));
  async function email(document: unknown, more: object = {}): Promise<Outcome> {
    world.grant(mailGrant(mails.url, more));
    const outcome = await strike(mailer, document);
    expect(JSON.stringify([outcome, world.records, world.denied])).not.toMatch(SECRET);
    return outcome;
  }
  async function message(document: unknown, more: object = {}): Promise<Outcome> {
    world.grant(messageGrant(messages.url, more));
    const outcome = await strike(texter, document);
    expect(JSON.stringify([outcome, world.records, world.denied])).not.toMatch(SECRET);
    return outcome;
  }
  const problem = (code: string) => ({ kind: 'problem', problem: { code } });

  test('that sends what it may is answered, and the audit log has who sent to how many', async () => {
    expect(await email(MAIL)).toMatchObject({
      kind: 'output',
      output: expect.stringContaining('"status":202'),
    });
    expect(await message({ to: '+41791234567', from: FROM, body: 'Hi' })).toMatchObject({
      kind: 'output',
      output: expect.stringContaining('"status":"queued"'),
    });
    expect(world.records.map(({ capability, target, decision }) => [capability, target, decision])).toEqual([
      ['sendgrid', 'shop@example.com to 1 at example.com', 'done'],
      ['twilio', `${FROM} to +41*******67`, 'done'],
    ]);
    expect([mails.mails.length, messages.messages.length]).toEqual([1, 1]);
  });

  test.each<[string, object, string]>([
    ['from somebody else', { from: { email: 'ceo@example.com' } }, 'capability_denied'],
    [
      'from somebody else in the last of many',
      { personalizations: [...Array(99).fill(person), { ...person, from: { email: 'ceo@example.com' } }] },
      'capability_denied',
    ],
    [
      'with a blind copy to a stranger',
      { personalizations: [{ ...person, bcc: to('a@evil.example') }] },
      'capability_denied',
    ],
    [
      'with a header in an address',
      { from: { email: 'shop@example.com\r\nBcc: a@evil.example' } },
      'sendgrid_invalid',
    ],
    ['with a header in a header', { headers: { 'X-A': 'b\r\nBcc: a@evil.example' } }, 'sendgrid_invalid'],
    ['with a header in an argument', { custom_args: { a: 'b\r\nBcc: a@evil.example' } }, 'sendgrid_invalid'],
    [
      'with recipients in a header',
      { headers: { 'X-SMTPAPI': '{"to":["a@evil.example"]}' } },
      'sendgrid_invalid',
    ],
    [
      'with a copy of all by a setting',
      { mail_settings: { bcc: { enable: true, email: 'a@evil.example' } } },
      'sendgrid_invalid',
    ],
    [
      'to those who unsubscribed',
      { mail_settings: { bypass_list_management: { enable: true } } },
      'capability_denied',
    ],
    [
      'to 1,001',
      {
        personalizations: [{ to: Array.from({ length: 1001 }, (_, n) => ({ email: `a${n}@example.com` })) }],
      },
      'sendgrid_invalid',
    ],
    ['at another place', { base_url: 'http://169.254.169.254' }, 'sendgrid_invalid'],
  ])('sends no email %s', async (_title, more, code) => {
    expect(await email({ ...MAIL, ...more })).toMatchObject(problem(code));
    expect(mails.mails).toEqual([]);
  });

  test.each<[string, object]>([
    ['from another number', { from: '+15005550099' }],
    ['to another country', { to: '+12425550123' }],
    ['with media from a stranger', { media_urls: ['https://evil.example/?secret'] }],
    ['that is reported to a stranger', { status_callback: 'https://evil.example/' }],
  ])('sends no message %s', async (_title, more) => {
    const outcome = await message({ to: '+41791234567', from: FROM, body: 'Hi', ...more });
    expect(outcome).toMatchObject(problem('capability_denied'));
    // The operator's to know, not the guest's.
    expect(JSON.stringify(outcome)).not.toContain('grants');
    expect(world.denied.join()).toContain('in the bundle: twilio: {');
    expect(messages.messages).toEqual([]);
  });

  test('does not change the form that is sent, nor the account', async () => {
    await message({ to: '+41791234567', from: FROM, body: `a&From=+15005550099&To=+12425550123` });
    expect([...(messages.messages[0]?.form.keys() ?? [])]).toEqual(['To', 'From', 'Body']);
    const outcome = await message({ to: '+41791234567/../../Accounts/AC1', from: FROM, body: 'a' });
    expect(outcome).toMatchObject(problem('twilio_invalid'));
  });

  test('gets no key out of a vendor that echoes it, in none of its words', async () => {
    const basic = Buffer.from(`${ACCOUNT}:${TOKEN}`).toString('base64');
    for (const form of [KEY, `Bearer ${KEY}`, Buffer.from(KEY).toString('base64'), encodeURIComponent(KEY)]) {
      mails.script.answer({
        status: 400,
        headers: { 'x-message-id': form },
        body: { errors: [{ message: form, field: form, help: form }] },
      });
      expect(JSON.stringify(await email(MAIL))).not.toContain(form);
    }
    for (const form of [TOKEN, `Basic ${basic}`, basic]) {
      messages.script.answer({ status: 201, body: { sid: form, status: form, error_message: form } });
      const sms = { to: '+41791234567', from: FROM, body: 'Hi' };
      expect(JSON.stringify(await message(sms))).not.toContain(form);
    }
  });

  test('reaches no metadata of the machine, whatever the vendor’s name resolves to', async () => {
    for (const address of ['169.254.169.254', '127.0.0.1', '::ffff:10.0.0.1', '168.63.129.16']) {
      world.names('api.sendgrid.com', [address]);
      const outcome = await email(MAIL, { base_url: undefined, networks: undefined });
      expect(outcome).toMatchObject(problem('capability_denied'));
    }
    expect(mails.mails).toEqual([]);
  });

  test('gets as many recipients as its rate has, however often it asks', async () => {
    const many = {
      ...MAIL,
      personalizations: [{ to: Array.from({ length: 60 }, (_, n) => ({ email: `a${n}@example.com` })) }],
    };
    // A rate of its own: that of the other tests has been used.
    const outcomes: Outcome[] = [];
    for (let time = 0; time < 3; time += 1) outcomes.push(await email(many, { rate: '1000/d' }));
    for (let time = 0; time < 20; time += 1) outcomes.push(await strike(mailer, many));
    const job = strikeJob(JSON.stringify(many));
    outcomes.push(await arena.attackAs(mailer, { job, harmless: restJob }));
    const sent = mails.mails.length;
    expect(sent).toBeLessThanOrEqual(16);
    expect(outcomes.filter(({ kind }) => kind === 'output')).toHaveLength(sent);
    expect(outcomes.at(-1)).toMatchObject(problem('grant_rate_exceeded'));
  });
});
