import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../host/grant/secret.ts';
import { redactedErrors } from '../../host/observe/redacted-cells.ts';
import { createRedactors, redactorOf } from '../../host/observe/redactor.ts';

const VALUE = 'p"ä$$w+rd/=\\ of ~acme!';
const redact = redactorOf([new Secret('KEY', VALUE)]);
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('a secret in a text', () => {
  test.each([
    ['as it is', VALUE],
    ['in JSON', JSON.stringify({ key: VALUE })],
    ['percent-encoded', encodeURIComponent(VALUE)],
    [
      'percent-encoded in small letters',
      encodeURIComponent(VALUE).replace(/%../g, (hex) => hex.toLowerCase()),
    ],
    ['in a form', new URLSearchParams({ key: VALUE }).toString()],
    ['in base64', base64(VALUE)],
    ['in base64 after one character', base64(`a${VALUE}`)],
    ['in base64 after two', base64(`ab${VALUE}`)],
    ['in base64 after and before more', base64(`user:${VALUE} and more`)],
    ['in base64url', Buffer.from(`xy${VALUE}`).toString('base64url')],
  ])('is not shown %s', (_title, text) => {
    expect(redact(`before ${text} after`)).toContain('[secret KEY]');
    expect(redact(`before ${text} after ${text}`)).not.toContain(text);
  });

  test('in base64 is found wherever it stands, whatever it is', () => {
    const bytes = fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 });
    fc.assert(
      fc.property(bytes, fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 }), (value, before, after) => {
        fc.pre(value.trim().length >= 8 && value.isWellFormed() && before.isWellFormed());
        const encoded = base64(`${before}${value}${after.toWellFormed()}`);
        expect(redactorOf([new Secret('KEY', value)])(encoded)).toContain('[secret KEY]');
      }),
    );
  });

  test('of several lines is found line by line', () => {
    const pem =
      '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHush\n0123456789abcdef\n-----END PRIVATE KEY-----\n';
    const own = redactorOf([new Secret('PEM', pem)]);
    expect(own(pem)).toBe('[secret PEM]');
    expect(own('a line: 0123456789abcdef.')).toBe('a line: [secret PEM].');
    expect(own('-----BEGIN PRIVATE KEY-----')).toBe('-----BEGIN PRIVATE KEY-----');
  });

  test('that is longer than a line of the log is found in what is left of it', () => {
    const long = Array.from({ length: 6000 }, (_, at) => at.toString(36)).join('');
    const own = redactorOf([new Secret('LONG', long)]);
    expect(own(long.slice(0, 8192))).not.toContain(long.slice(1100, 1200));
  });

  test('of a signature is found without its mark', () => {
    expect(redactorOf([new Secret('HOOK', 'whsec_c2VjcmV0c2VjcmV0')])('c2VjcmV0c2VjcmV0')).toBe(
      '[secret HOOK]',
    );
  });

  test('shorter than 8 characters is not looked for, since it would be found everywhere', () => {
    expect(redactorOf([new Secret('KEY', 'secret7')])('the secret7 thing')).toBe('the secret7 thing');
  });

  test('that is part of another gives way to the longer one', () => {
    const both = redactorOf([new Secret('SHORT', 'abcdefgh'), new Secret('LONG', 'abcdefgh-and-more')]);
    expect(both('abcdefgh-and-more, abcdefgh')).toBe('[secret LONG], [secret SHORT]');
  });
});

test('without secrets a text stays the very same', () => {
  expect(redactorOf([])('anything $& at all')).toBe('anything $& at all');
});

test('a tenant’s texts lose its own secrets, and texts of the host those of all', () => {
  const { of, all } = createRedactors([
    { id: 'acme', secrets: new Map([['A', new Secret('A', 'hush-of-acme')]]) },
    { id: 'globex', secrets: new Map([['B', new Secret('B', 'hush-of-globex')]]) },
  ]);
  const text = 'hush-of-acme hush-of-globex';
  expect(of('acme')(text)).toBe('[secret A] hush-of-globex');
  expect(of('globex')(text)).toBe('hush-of-acme [secret B]');
  expect(of('nobody')(text)).toBe(text);
  expect(all(text)).toBe('[secret A] [secret B]');
});

describe('a journal', () => {
  const own = redactorOf([new Secret('KEY', '1234567890')]);

  test('loses secrets in its errors and keeps its outputs', () => {
    const entries = [
      { node: 'a', output: { id: '1234567890', n: 1234567890 } },
      { node: 'b', error: { code: 'odd', message: 'no 1234567890' } },
    ];
    expect(JSON.parse(redactedErrors(JSON.stringify(entries), own))).toEqual([
      entries[0],
      { node: 'b', error: { code: 'odd', message: 'no [secret KEY]' } },
    ]);
    expect(JSON.parse(redactedErrors(JSON.stringify(entries[1]), own)).error.message).toBe('no [secret KEY]');
  });

  test('loses secrets in what failed tries said, also where no failure is final yet', () => {
    const retrying = { node: 'b', status: 'retrying', tries: [{ code: 'odd', message: 'no 1234567890' }] };
    const [read] = JSON.parse(redactedErrors(JSON.stringify([retrying]), own));
    expect(read).toEqual({ ...retrying, tries: [{ code: 'odd', message: 'no [secret KEY]' }] });
  });

  test('without a secret in an error is the very same text', () => {
    for (const text of [
      '[{"node":"a","output":"1234567890"}]',
      '{"error":{"message":"x"}}',
      '"error":{ 1234567890',
    ]) {
      expect(redactedErrors(text, own)).toBe(text);
    }
  });
});
