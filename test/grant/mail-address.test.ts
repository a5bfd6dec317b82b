import { describe, expect, test } from 'vitest';
import { mailMatches, readMailAddress, readMailPattern } from '../../host/grant/mail-address.ts';
import { Fault } from '../../host/written/readers.ts';

describe('an address', () => {
  test.each([
    ['ann@example.com', 'ann@example.com'],
    ['Ann.Lee+tag@Example.COM', 'Ann.Lee+tag@example.com'],
    ["o'neil!#$%&/=?^_`{|}~-@a-b.c0.example", "o'neil!#$%&/=?^_`{|}~-@a-b.c0.example"],
    ['a@bücher.example', 'a@xn--bcher-kva.example'],
    ['a@BÜCHER.EXAMPLE', 'a@xn--bcher-kva.example'],
    ['a@xn--bcher-kva.example', 'a@xn--bcher-kva.example'],
    ['a@例え.テスト', 'a@xn--r8jz45g.xn--zckzah'],
    ['a@ｅｘａｍｐｌｅ.com', 'a@example.com'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
  ])('%s is sent as %s', (written, sent) => {
    expect(readMailAddress(written)?.text).toBe(sent);
  });

  test.each([
    ['nothing', ''],
    ['a name', 'ann'],
    ['a name beside it', 'Ann <ann@example.com>'],
    ['angle brackets', '<ann@example.com>'],
    ['two addresses', 'a@example.com,b@example.com'],
    ['two addresses with a semicolon', 'a@example.com;b@example.com'],
    ['a star', '*@example.com'],
    ['two signs', 'a@b@example.com'],
    ['a quoted part', '"a b"@example.com'],
    ['a quoted sign', '"a@evil.example"@example.com'],
    ['a comment', 'a(b)@example.com'],
    ['a route', '@a.example:b@example.com'],
    ['no part before the sign', '@example.com'],
    ['a dot at the start', '.a@example.com'],
    ['two dots', 'a..b@example.com'],
    ['a dot at the end of the name', 'a.@example.com'],
    ['65 characters before the sign', `${'a'.repeat(65)}@example.com`],
    ['255 characters', `a@${'b.'.repeat(125)}com`],
    ['a label of 64', `a@${'b'.repeat(64)}.com`],
    ['other letters before the sign', 'é@example.com'],
    ['letters that look alike', 'аnn@example.com'],
    ['no domain', 'a@'],
    ['a domain of one label', 'a@localhost'],
    ['an address of the network', 'a@127.0.0.1'],
    ['a domain literal', 'a@[127.0.0.1]'],
    ['a number for a domain', 'a@2130706433'],
    ['a numeric top', 'a@example.1'],
    ['a dot at the end', 'a@example.com.'],
    ['another dot', 'a@example。com'],
    ['an underscore in the domain', 'a@ex_ample.com'],
    ['a hyphen at the edge', 'a@-example.com'],
    ['percent encoding', 'a@ex%61mple.com'],
    ['a port', 'a@example.com:25'],
    ['a space', 'a b@example.com'],
    ['a space before', ' a@example.com'],
    ['a line break after', 'a@example.com\n'],
    ['a line break and a header', 'a@example.com\r\nBcc: b@evil.example'],
    ['a null', 'a\u0000@example.com'],
    ['a delete', 'a\u007f@example.com'],
    ['a bidirectional override', 'a\u202e@example.com'],
    ['an isolate in the domain', 'a@exam\u2066ple.com'],
    ['a zero-width space', 'a@exam\u200bple.com'],
    ['a zero-width joiner', 'a@exam\u200dple.com'],
    ['a byte order mark', '\ufeffa@example.com'],
    ['a soft hyphen', 'a@exam\u00adple.com'],
    ['half a surrogate pair', 'a@exam\ud800ple.com'],
    ['punycode that is none', 'a@xn--\u00fc.example'],
  ])('is not read with %s', (_title, written) => {
    expect(readMailAddress(written)).toBeUndefined();
  });
});

describe('a pattern', () => {
  const matches = (pattern: string, address: string): boolean => {
    const read = readMailPattern(pattern);
    const to = readMailAddress(address);
    if (read === undefined || read instanceof Fault || to === undefined)
      throw new Error(`${pattern} ${address}`);
    return mailMatches(read, to);
  };

  test.each([
    ['*', 'a@example.com', true],
    ['*@example.com', 'a@example.com', true],
    ['*@example.com', 'a@EXAMPLE.com', true],
    ['*@example.com', 'a@sub.example.com', false],
    ['*@example.com', 'a@notexample.com', false],
    ['*@*.example.com', 'a@sub.example.com', true],
    ['*@*.example.com', 'a@a.b.example.com', true],
    ['*@*.example.com', 'a@example.com', false],
    ['*@*.example.com', 'a@xexample.com', false],
    ['Ann@example.com', 'aNN@example.com', true],
    ['ann@example.com', 'ann+x@example.com', false],
    ['*@bücher.example', 'a@xn--bcher-kva.example', true],
  ])('%s and %s: %j', (pattern, address, expected) => {
    expect(matches(pattern, address)).toBe(expected);
  });

  test.each([
    '',
    '*@',
    '*@*',
    '*@*.',
    '*.example.com',
    'example.com',
    '@example.com',
    'a*@example.com',
    '*@*.*.com',
    '* ',
    '**',
  ])('%j is none', (pattern) => {
    expect(readMailPattern(pattern)).toBeUndefined();
  });
});
