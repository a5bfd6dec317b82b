import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type * as z from 'zod';
import { bundleFile } from '../../host/bundle/bundle-file.ts';
import { limitsShape } from '../../host/bundle/limits-shape.ts';
import { run } from '../../host/cli/program.ts';
import { NODE_TYPES } from '../../host/flow/flow.ts';
import { configShapes, flowShape, nodeShape, triggerShapes } from '../../host/flow/flow-file.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const packageFile: {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** The text under a heading, up to the next of the same or a higher rank. */
function section(title: string): string {
  const lines = readme.split('\n');
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === title);
  if (start === -1) throw new Error(`The README has no section "${title}".`);
  const rank = /^#+/.exec(lines[start] ?? '')?.[0].length ?? 0;
  const length = lines.slice(start + 1).findIndex((line) => (/^(#+) /.exec(line)?.[1]?.length ?? 9) <= rank);
  return lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join('\n');
}

/** Cells of a section's tables, row by row, without heads. */
function rows(title: string): string[][] {
  return section(title)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** What stands in backticks. */
function codes(markdown: string): string[] {
  return [...markdown.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort((a, b) => (a < b ? -1 : 1));

describe('npm scripts', () => {
  test('every one that the README names exists, and every one that exists is there', () => {
    const named = [...readme.matchAll(/(?:`|^|&& )npm (?:run (?:-s )?)?([a-z:]+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'ci');
    const own = Object.keys(packageFile.scripts).filter((name) => !name.startsWith('pre'));
    expect(sorted(named)).toEqual(sorted(own));
  });
});

interface HelpPage {
  readonly usage: string;
  readonly commands: readonly string[];
  readonly options: readonly string[];
}

/** What a command says of itself. */
async function helpOf(command: readonly string[]): Promise<HelpPage> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  await run([...command, '--help'], {
    stdout,
    stderr,
    stdin: Readable.from([]),
    cwd: root,
    env: {},
    showsProgress: false,
    asks: false,
    stop: new AbortController().signal,
    now: () => 0,
  });
  stdout.end();
  const page = await text(stdout);
  const [, usage = ''] = /^Usage: (.*)$/m.exec(page) ?? [];
  const [, list = ''] = /^Commands:\n([\s\S]*)$/m.exec(page) ?? [];
  return {
    usage: usage.replace(' [options]', ''),
    commands: [...list.matchAll(/^ {2}([a-z]+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'help'),
    options: [...page.matchAll(/^ +(--[a-z-]+(?: <[^>]+>)?)/gm)].map(([, option = '']) => option),
  };
}

/** The pages of every command that does something. */
async function commandPages(prefix: readonly string[] = []): Promise<HelpPage[]> {
  const page = await helpOf(prefix);
  if (page.commands.length === 0) return [page];
  const pages = await Promise.all(page.commands.map((name) => commandPages([...prefix, name])));
  return pages.flat();
}

describe('commands', () => {
  test('every one has a section with its arguments and all of its options, and no section is without a command', async () => {
    const pages = await commandPages();
    const written = [...section('Command line').matchAll(/^### `(.*)`$/gm)].map(([, usage = '']) => usage);
    expect(sorted(written)).toEqual(sorted(pages.map(({ usage }) => usage)));
    const options = written.map((usage) => [
      usage,
      sorted([...section(`\`${usage}\``).matchAll(/^- `(--.*?)`/gm)].map(([, option = '']) => option)),
    ]);
    expect(Object.fromEntries(options)).toEqual(
      Object.fromEntries(pages.map(({ usage, options: own }) => [usage, sorted(own)])),
    );
  });

  test('every one that the text names exists', async () => {
    const known = (await commandPages()).map(({ usage }) =>
      usage.replace(/ [[<].*$/, '').replace('gtpack ', ''),
    );
    const named = [
      ...readme.matchAll(
        /(?:npm run -s gtpack -- |`gtpack )([a-z]+(?: (?:build|inspect|sign|verify|list|release|show|replay|drop|check))?)/g,
      ),
    ].map(([, name = '']) => name);
    expect(sorted(named).filter((name) => !known.includes(name) && name !== 'help')).toEqual([]);
  });
});

/** The last parts of all keys of a schema. */
function keysOf(schema: z.core.$ZodType): string[] {
  const { def } = schema as z.ZodType;
  switch (def.type) {
    case 'object': {
      const { shape } = def as z.core.$ZodObjectDef;
      return Object.entries(shape).flatMap(([key, inner]) => [key, ...keysOf(inner)]);
    }
    case 'optional':
    case 'default':
      return keysOf((def as z.core.$ZodOptionalDef).innerType);
    case 'record':
      return keysOf((def as z.core.$ZodRecordDef).valueType);
    case 'array':
      return keysOf((def as z.core.$ZodArrayDef).element);
    case 'union':
      return (def as z.core.$ZodUnionDef).options.flatMap(keysOf);
    default:
      return [];
  }
}

/** The last part of a key such as `tenants.NAME.limits`. */
const lastPart = (key: string): string => key.split('.').at(-1) ?? '';

describe('keys', () => {
  test('of a bundle: every one is explained or named as refused, and none is invented', () => {
    const limits = Object.keys(limitsShape);
    const own = keysOf(bundleFile).filter((key) => !limits.includes(key));
    const explained = rows('The bundle').flatMap(([key = '']) => codes(key));
    const refused = /These keys are known and refused.*/.exec(section('The bundle'))?.[0] ?? '';
    const named = [...explained, ...codes(refused)].flatMap((key) => key.split('.'));
    expect(sorted(named.filter((part) => part !== 'ID' && part !== 'NAME'))).toEqual(sorted(own));
  });

  test("of a tenant's limits: every one stands in the table of limits", () => {
    const named = rows('Limits').flatMap(([, , key = '']) => codes(key));
    expect(sorted(named.filter((key) => !key.startsWith('http.')))).toEqual(sorted(Object.keys(limitsShape)));
  });

  test('of a flow: every key, node type and trigger is explained or named as refused', () => {
    const named = codes(section('Flows')).flatMap((code) => [
      code,
      lastPart(code),
      ...code.split(/[{},\s]+/),
    ]);
    const own = [
      ...keysOf(flowShape),
      ...keysOf(nodeShape),
      ...Object.values(configShapes).flatMap(keysOf),
      ...Object.values(triggerShapes).flatMap(keysOf),
      ...NODE_TYPES,
    ];
    expect(sorted(own).filter((key) => !named.includes(key))).toEqual([]);
  });
});

const KiB = 1024;

/** A default as the table writes it. */
function written(name: string, value: number): string {
  if (name.endsWith('Ms')) return value < 1000 ? `${value} ms` : `${value / 1000} s`;
  if (!name.endsWith('Bytes')) return value.toLocaleString('en');
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = units.findLastIndex((_, index) => value >= KiB ** index && value % KiB ** index === 0);
  return `${value / KiB ** power} ${units[power]}`;
}

test('every limit stands in the table with its default, in the order of the code', () => {
  const table = rows('Limits').map(([name = '', value]) => [codes(name)[0], value]);
  expect(table).toEqual(Object.entries(DEFAULT_LIMITS).map(([name, value]) => [name, written(name, value)]));
});

test('every dependency has a line that says what for, and no line is without a dependency', () => {
  const lines = rows('Dependencies').map(([name = '', reason = '']) => [codes(name)[0], reason.length > 0]);
  expect(lines).toEqual(Object.keys(packageFile.dependencies).map((name) => [name, true]));
});

test('every file of the repository that the README links to is there', () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, path = '']) => path);
  expect(links.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
