import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'SECURITY.md'), 'utf8');

interface Row {
  readonly attack: string;
  readonly promise: string;
  /** Files in the code. */
  readonly places: readonly string[];
  /** Files of tests, each with the titles that are cited of it. */
  readonly holders: readonly Holder[];
}

interface Holder {
  readonly file: string;
  readonly titles: readonly string[];
}

function rows(): Row[] {
  const [, table = ''] = /^## Promises\n([\s\S]*?)\n## /m.exec(page) ?? [];
  const lines = table.split('\n').filter((line) => line.startsWith('|'));
  expect(lines.slice(0, 2)).toEqual(['| attack | promise | kept in | held by |', '|---|---|---|---|']);
  return lines.slice(2).map((line) => {
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    expect(cells, `four cells, attack | promise | kept in | held by: ${line}`).toHaveLength(4);
    const [attack = '', promise = '', places = '', holders = ''] = cells;
    return { attack, promise, places: filesIn(places), holders: holdersIn(holders) };
  });
}

const filesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);

/** `file` “a title” “another” for each, with commas between files. */
function holdersIn(cell: string): Holder[] {
  return [...cell.matchAll(/`([^`\s]+\.ts)`((?:\s*“[^”]*”)*)/g)].map(([, file = '', cited = '']) => ({
    file,
    titles: [...cited.matchAll(/“([^”]*)”/g)].map(([, title = '']) => title),
  }));
}

/** What the tests and groups of a file are called, as its source has it. */
function titlesOf(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8');
  const called = /(?:\b(?:test|describe)(?:Once)?(?:\.\w+)*|\))\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;
  return [...source.matchAll(called)].map(([, , title = '']) => title.replaceAll(/\\(.)/g, '$1'));
}

test('every promise says against which attack it is, and names its places in the code, all of which are there', () => {
  expect(rows().length).toBeGreaterThan(0);
  for (const { attack, promise, places } of rows()) {
    const missing = places.filter((file) => !file.startsWith('host/') || !existsSync(join(root, file)));
    expect({ promise, attacked: attack !== '', placed: places.length > 0, missing }).toEqual({
      promise,
      attacked: true,
      placed: true,
      missing: [],
    });
  }
});

test('every promise names the tests that hold it, by file and title, and each of those titles is there', () => {
  for (const { promise, holders } of rows()) {
    expect({ promise, held: holders.length > 0 }).toEqual({ promise, held: true });
    for (const { file, titles } of holders) {
      expect({ promise, file, there: existsSync(join(root, file)) }).toEqual({ promise, file, there: true });
      expect({ promise, file, cited: titles.length > 0 }).toEqual({ promise, file, cited: true });
      const known = titlesOf(file);
      const unknown = titles.filter((cited) => !known.some((title) => title.includes(cited)));
      expect({ promise, file, unknown }).toEqual({ promise, file, unknown: [] });
    }
  }
});

test('every hostile test file holds a promise of the page', () => {
  const held = new Set(rows().flatMap(({ holders }) => holders.map(({ file }) => file)));
  const files = readdirSync(join(root, 'test', 'hostile'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => `test/hostile/${file}`);
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((file) => !held.has(file))).toEqual([]);
});

test('the page says what is a hole and what is none, and that this alone is not a hardened sandbox', () => {
  expect(page).toContain('**This alone is not a hardened sandbox.**');
  expect(page).toMatch(/^## What counts as a hole$/m);
  expect(page).toMatch(/ is no hole\. /);
  expect(page).toMatch(/^## Not contained today$/m);
});
