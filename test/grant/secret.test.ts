import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Secret } from '../../host/grant/secret.ts';

const secret = new Secret('API_KEY', 'hush-hush-hush');

test.each<[string, () => string]>([
  ['a template', () => `${secret}`],
  ['adding it to a text', () => `key: ${String(secret)}`],
  ['JSON', () => JSON.stringify({ secret, list: [secret] })],
  ['inspecting it', () => inspect({ secret }, { depth: 9, showHidden: true })],
  ['spreading it', () => JSON.stringify({ ...secret })],
  ['copying it', () => inspect(structuredClone(secret), { showHidden: true })],
  ['an error about it', () => inspect(new Error(`odd: ${secret}`, { cause: secret }))],
])('a secret shows its name and never its value in %s', (_title, show) => {
  expect(show()).not.toContain('hush');
  expect(show()).toContain('API_KEY');
});

test('a secret gives its value where that is asked for', () => {
  expect(secret.reveal()).toBe('hush-hush-hush');
});
