import { expect, test } from 'vitest';
import { isOlder } from '../../host/deploy/install/version-order.ts';

/** The order of semver.org, section 11, and numbers that are no texts. */
const ORDER = [
  '1.0.0-alpha',
  '1.0.0-alpha.1',
  '1.0.0-alpha.beta',
  '1.0.0-beta',
  '1.0.0-beta.2',
  '1.0.0-beta.11',
  '1.0.0-rc.1',
  '1.0.0',
  '1.9.0',
  '1.10.0',
  '2.0.0+build',
];

test('versions are older and newer as semver orders them', () => {
  for (const [left, a] of ORDER.entries()) {
    for (const [right, b] of ORDER.entries()) expect(isOlder(a, b), `${a} ${b}`).toBe(left < right);
  }
});

test('what is no version of that form is older than none', () => {
  expect([isOlder('latest', '1.0.0'), isOlder('1.0', '2.0'), isOlder('1.0.0', 'x')]).toEqual([
    false,
    false,
    false,
  ]);
});
