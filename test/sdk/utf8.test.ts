import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeUtf8 } from '../../sdk/typescript/utf8.ts';
import { Guest } from './guest.ts';

const anyText = fc
  .array(fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xd7f0, max: 0xe010 }), fc.nat(0x80)), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units));

test('both SDKs write UTF-8 as the platform does, half a surrogate pair as U+FFFD', async () => {
  const probe = await Guest.of('test/guests/json-probe');
  fc.assert(
    fc.property(anyText, (text) => {
      const expected = Buffer.from(text, 'utf8').toString('base64');
      expect(Buffer.from(encodeUtf8(text)).toString('base64')).toBe(expected);
      expect(probe.call('invoke', 'utf8 as base64', text)).toBe(expected);
    }),
    { numRuns: 2000 },
  );
});

test('base64 is read as the platform reads it strictly, and written back the same', async () => {
  const probe = await Guest.of('test/guests/json-probe');
  const digits = fc.string({
    unit: fc.constantFrom(...'AaZz09+/gwQ=='.split(''), '-', ' ', 'é'),
    maxLength: 12,
  });
  const good = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64'));
  fc.assert(
    fc.property(fc.oneof(digits, good), (text) => {
      expect(probe.call('invoke', 'base64', text)).toBe(isBase64(text) ? text : 'none');
    }),
    { numRuns: 5000 },
  );
});

function isBase64(text: string): boolean {
  // The platform passes over white space.
  if (text.includes(' ')) return false;
  try {
    Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' });
    return true;
  } catch {
    return false;
  }
}

test('an integer is what JSON writes as one and 64 bits hold', async () => {
  const probe = await Guest.of('test/guests/json-probe');
  for (const text of ['0', '-1', '123456789012345678', '-123456789012345678'])
    expect(probe.call('invoke', 'is integer', text)).toBe('true');
  for (const text of ['', '-', '1.0', '1e3', '"1"', ' 1', '1234567890123456789', 'null', '--1', '+1'])
    expect(probe.call('invoke', 'is integer', text)).toBe('false');
});
