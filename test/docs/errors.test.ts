import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../host/errors.ts';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

interface Section {
  readonly code: string;
  readonly text: string;
}

function sections(): Section[] {
  return [...page.matchAll(/^### `(\w+)`\n([\s\S]*?)(?=\n##|(?![\s\S]))/gm)].map(
    ([, code = '', text = '']) => ({
      code,
      text,
    }),
  );
}

const FACTS = /^Blame: (\w+)\. Retry: (yes|no)\. HTTP: (\d{3})\.$/m;

test('every error code has one section on the page, in the order of the table, and no section is without a code', () => {
  expect(sections().map(({ code }) => code)).toEqual(Object.keys(ERROR_CODES));
});

test('every section says whose move it is, whether a retry helps and the HTTP status as the table does', () => {
  const written = sections().map(({ code, text }) => {
    const [, blame, retry, status] = FACTS.exec(text) ?? [];
    return [code, { blame, retryable: retry === 'yes', status: Number(status) }];
  });
  expect(Object.fromEntries(written)).toEqual(ERROR_CODES);
});

test('every section says what it means and how to mend it', () => {
  const lacking = sections().filter(({ text }) => {
    const [meaning = '', cure = ''] = text.replace(FACTS, '').split('**Cure:**');
    return meaning.trim() === '' || cure.trim() === '';
  });
  expect(lacking).toEqual([]);
});
