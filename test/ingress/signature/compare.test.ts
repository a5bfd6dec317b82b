import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { sameText } from '../../../host/ingress/signature/compare.ts';

describe('a text that was sent', () => {
  test.each([
    ['', '', true],
    ['abc', 'abc', true],
    ['abc', 'abd', false],
    ['abc', 'ab', false],
    ['abc', 'abcd', false],
    ['abc', '', false],
    ['é', 'e', false],
    // As many characters, and other bytes.
    ['ab', 'aé', false],
    ['aé', 'aé', true],
  ])('%j is compared with %j', (made, sent, same) => {
    expect(sameText(made, sent)).toBe(same);
  });

  test('is never compared but in constant time: the schemes compare signatures by timingSafeEqual alone', () => {
    const folder = new URL('../../../host/ingress/signature/', import.meta.url);
    const files = readdirSync(folder).map(
      (name) => [name, readFileSync(new URL(name, folder), 'utf8')] as const,
    );
    const digests = files.filter(([, text]) => text.includes('createHmac('));
    expect(digests.map(([name]) => name).sort()).toEqual([
      'hmac.ts',
      'standard-webhooks.ts',
      'stripe.ts',
      'twilio.ts',
    ]);
    for (const [name, text] of digests) {
      expect(text, name).toContain('sameText(');
      expect(text, name).not.toMatch(/(?:digest\([^)]*\)|made|signature|sent)\s*[!=]==(?!\s*undefined)/);
    }
    expect(Object.fromEntries(files)['compare.ts']).toContain('timingSafeEqual(own, theirs)');
  });
});
