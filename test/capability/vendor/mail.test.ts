import { describe, expect, test } from 'vitest';
import { readMail } from '../../../host/capability/sendgrid/mail.ts';
import { GtpackError } from '../../../host/errors.ts';

const to = [{ email: 'ann@example.com' }];
const MAIL = {
  personalizations: [{ to }],
  from: { email: 'shop@example.com' },
  subject: 'Your order',
  content: [{ type: 'text/plain', value: 'Thank you' }],
};
const [person] = MAIL.personalizations;

function fault(mail: unknown): string {
  try {
    readMail(typeof mail === 'string' ? mail : JSON.stringify(mail));
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    expect([error.code, error.retryable]).toEqual(['sendgrid_invalid', false]);
    return error.message;
  }
  throw new Error('It was taken.');
}

const many = (count: number) => Array.from({ length: count }, (_, n) => ({ email: `a${n}@example.com` }));

describe('an email that is none is not sent, and its field is named:', () => {
  test.each<[string, unknown, string]>([
    ['no JSON', '{', 'The email is not JSON'],
    ['nothing', 'null', 'it was expected to be an object'],
    ['a list', [], 'it was expected to be an object'],
    ['nested without end', `{"personalizations":${'['.repeat(100_000)}`, 'The email nests objects'],
    [
      'without recipients',
      { ...MAIL, personalizations: undefined },
      'personalizations was expected to be a list',
    ],
    ['with no personalization', { ...MAIL, personalizations: [] }, 'personalizations is empty'],
    [
      'with nobody in one',
      { ...MAIL, personalizations: [{ to: [] }] },
      'personalizations[0].to names nobody',
    ],
    ['with copies alone', { ...MAIL, personalizations: [{ cc: to }] }, 'personalizations[0].to names nobody'],
    [
      'with 1,001 personalizations',
      { ...MAIL, personalizations: Array(1001).fill(person) },
      'has 1001 entries',
    ],
    [
      'with 1,001 recipients in one',
      { ...MAIL, personalizations: [{ to: many(1001) }] },
      'personalizations[0].to has 1001',
    ],
    [
      'with 1,001 recipients in all',
      { ...MAIL, personalizations: [{ to: many(999), bcc: many(1) }, { to: many(1) }] },
      'personalizations[1].to[0] is one more than the 1000 recipients',
    ],
    ['without a sender', { ...MAIL, from: undefined }, 'from was expected to be an object'],
    ['from a text', { ...MAIL, from: 'shop@example.com' }, 'from was expected to be an object'],
    ['from nowhere', { ...MAIL, from: { name: 'Shop' } }, 'from.email was expected to be a text'],
    [
      'from what is no address',
      { ...MAIL, from: { email: 'Shop <shop@example.com>' } },
      'from.email is no address',
    ],
    [
      'with a header in an address',
      { ...MAIL, personalizations: [{ to: [{ email: 'a@example.com\r\nBcc: b@evil.example' }] }] },
      'personalizations[0].to[0].email is no address',
    ],
    [
      'with a header in a name',
      { ...MAIL, from: { email: 'a@example.com', name: 'A\r\nBcc: b' } },
      'from.name is longer',
    ],
    [
      'with an override in a name',
      { ...MAIL, from: { email: 'a@example.com', name: 'a\u202eb' } },
      'from.name',
    ],
    [
      'with a zero-width space in a name',
      { ...MAIL, from: { email: 'a@example.com', name: 'a\u200bb' } },
      'from.name',
    ],
    [
      'with a name without end',
      { ...MAIL, from: { email: 'a@example.com', name: 'a'.repeat(321) } },
      'from.name',
    ],
    [
      'with a header in the subject',
      { ...MAIL, subject: 'a\r\nBcc: b@evil.example' },
      'subject holds a line break',
    ],
    [
      'with a header in a subject of one',
      { ...MAIL, personalizations: [{ to, subject: 'a\nb' }] },
      'personalizations[0].subject holds a line break',
    ],
    [
      'with a header in a header',
      { ...MAIL, headers: { 'X-A': 'a\r\nBcc: b' } },
      'headers.X-A holds a line break',
    ],
    ['with a header in its name', { ...MAIL, headers: { 'X-A\r\nBcc': 'b' } }, 'holds a line break'],
    ['with a header that is no name', { ...MAIL, headers: { 'X A': 'b' } }, 'is no name of a header'],
    ['with a header twice', { ...MAIL, headers: { 'X-A': 'a', 'x-a': 'b' } }, 'headers.x-a comes twice'],
    [
      'with a header that is a number',
      { ...MAIL, headers: { 'X-A': 1 } },
      'headers.X-A was expected to be a text',
    ],
    ...[
      ...['Bcc', 'to', 'Sender', 'Reply-To', 'X-SMTPAPI', 'x-smtpapi', 'Return-Path', 'Received', 'X-SG-EID'],
      ...[
        'Resent-To',
        'Disposition-Notification-To',
        'Content-Type',
        'DKIM-Signature',
        'Message-ID',
        'Subject',
      ],
    ].map((name): [string, unknown, string] => [
      `with the header ${name}`,
      { ...MAIL, personalizations: [{ to, headers: { [name]: 'a' } }] },
      `personalizations[0].headers.${name} is not a header of one’s own`,
    ]),
    [
      'with arguments that are a text',
      { ...MAIL, custom_args: 'a' },
      'custom_args was expected to be an object',
    ],
    [
      'with a header in an argument',
      { ...MAIL, custom_args: { a: 'b\r\nBcc: c' } },
      'custom_args.a holds a line break',
    ],
    [
      'with a header in an argument’s name',
      { ...MAIL, custom_args: { 'a\r\nb': 'c' } },
      'holds a line break',
    ],
    ['with a header in a category', { ...MAIL, categories: ['a\nb'] }, 'categories[0] holds a line break'],
    [
      'with a header in a filename',
      { ...MAIL, attachments: [{ content: '', filename: 'a\r\nb' }] },
      'attachments[0].filename',
    ],
    [
      'with an attachment that is a URL',
      { ...MAIL, attachments: [{ url: 'file:///etc/passwd' }] },
      'attachments[0].url is not known',
    ],
    [
      'with a header in a type',
      { ...MAIL, content: [{ type: 'text/plain\r\nX: y', value: '' }] },
      'content[0].type',
    ],
    ['with a header in a pool', { ...MAIL, ip_pool_name: 'a\r\n' }, 'ip_pool_name holds'],
    ['with a time that is a text', { ...MAIL, send_at: '1' }, 'send_at was expected to be a whole number'],
    [
      'with half a surrogate pair',
      `{"personalizations":[{"to":[{"email":"a@example.com"}]}],"from":{"email":"a@example.com"},"subject":"\\ud800"}`,
      'half a surrogate pair',
    ],
    [
      'with a blind copy of everything',
      { ...MAIL, mail_settings: { bcc: { enable: true, email: 'a@evil.example' } } },
      'mail_settings.bcc is not known',
    ],
    [
      'with a post of everything',
      { ...MAIL, mail_settings: { spam_check: { enable: true, post_to_url: 'https://evil.example' } } },
      'mail_settings.spam_check is not known',
    ],
    [
      'with a bypass that is no flag',
      { ...MAIL, mail_settings: { bypass_list_management: { enable: 1 } } },
      'was expected to be true or false',
    ],
    [
      'with a bypass by a text',
      { ...MAIL, mail_settings: { bypass_spam_management: { enable: 'true' } } },
      'was expected to be true or false',
    ],
    [
      'with settings that are a list',
      { ...MAIL, mail_settings: [] },
      'mail_settings was expected to be an object',
    ],
    [
      'with tracking that is not known',
      { ...MAIL, tracking_settings: { pixel: {} } },
      'tracking_settings.pixel is not known',
    ],
    [
      'with a key in other letters',
      { ...MAIL, Personalizations: [{ to: many(1) }] },
      'Personalizations is not known. Did you mean "personalizations"?',
    ],
    [
      'with a key of a prototype',
      JSON.parse(`{"__proto__":{"from":1},"from":{"email":"a@example.com"}}`),
      '__proto__ is not known',
    ],
  ])('%s', (_title, mail, message) => {
    expect(fault(mail)).toContain(message);
  });
});

test('a key of a megabyte is told in a few words', () => {
  expect(fault({ ...MAIL, ['k'.repeat(1_000_000)]: 1 }).length).toBeLessThan(500);
});

test('1,000 recipients are read', () => {
  const mail = readMail(JSON.stringify({ ...MAIL, personalizations: [{ to: many(900), cc: many(100) }] }));
  expect(mail.recipients).toHaveLength(1000);
});

test('data of a template may be anything, a prototype’s key included, and arrives as it was written', () => {
  const data = '{"__proto__":{"a":1},"b":[{"c":null}],"d":"\\r\\n"}';
  const text = `{"from":{"email":"a@example.com"},"personalizations":[{"to":[{"email":"b@example.com"}],"dynamic_template_data":${data}}]}`;
  expect(JSON.stringify(readMail(text).document)).toContain(`"dynamic_template_data":${data}`);
});
