import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/**
 * The table of who may import whom. A room imports from itself and from what stands below it; rooms on one line are
 * blind to each other.
 */
const LEVELS: readonly (readonly string[])[] = [
  ['entry'],
  ['cli'],
  ['host.ts'],
  ['deploy'],
  ['observe'],
  ['running-host.ts'],
  ['control', 'ingress', 'schedule'],
  ['flow'],
  ['capability'],
  ['bundle'],
  ['interop'],
  ['pack', 'grant', 'sandbox', 'bus'],
  ['written', 'fairness'],
  ['event'],
  ['contract.ts', 'entry.ts', 'limits.ts', 'wasm-reader.ts', 'yaml.ts'],
  ['errors.ts', 'webassembly.d.ts'],
];

const root = fileURLToPath(new URL('..', import.meta.url));
const host = join(root, 'host');

interface SourceFile {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

function sourcesIn(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path: relative(root, path).split(sep).join('/'), text: readFileSync(path, 'utf8') };
    });
}

/** The room of a path below `host`: a folder, or a file that stands alone. */
function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function levelOf(room: string): number {
  return LEVELS.findIndex((level) => level.includes(room));
}

const IMPORT = /(?:^|\n)(?:import|export)\s+(?:type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/g;

interface Import {
  readonly from: string;
  readonly to: string;
}

function importsOf({ path, text }: SourceFile): Import[] {
  return [...text.matchAll(IMPORT)].map(([, to = '']) => ({ from: path, to }));
}

const files = sourcesIn(host);
const imports = files.flatMap(importsOf);

describe('the layout', () => {
  test('every room of host has its place in the table', () => {
    const unknown = files.map(({ path }) => roomOf(path)).filter((room) => levelOf(room) === -1);
    expect([...new Set(unknown)]).toEqual([]);
  });

  test('imports go down only', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (!to.startsWith('.')) return false;
      const room = roomOf(from);
      const target = roomOf(join(dirname(from), to).split(sep).join('/'));
      return room !== target && levelOf(room) >= levelOf(target);
    });
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  test('the host imports nothing of the SDK, the packs or the tests', () => {
    const outside = imports.filter(
      ({ from, to }) =>
        to.startsWith('.') &&
        !join(dirname(from), to).split(sep).join('/').startsWith('host/') &&
        !to.endsWith('.json'),
    );
    expect(outside.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  test('process and console are used in entry points only', () => {
    const used = files
      .filter(({ path }) => !/^host\/(cli|entry)\//.test(path))
      .filter(({ text }) =>
        /(?<![\w.'"`-])(?:process|console)\.(?!hrtime|permission)\w/.test(withoutComments(text)),
      );
    expect(used.map(({ path }) => path)).toEqual([]);
  });

  test('a thread of the bus and the vendors of the network are each reached through one file', () => {
    for (const library of ['@nats-io/', 'undici']) {
      const users = imports.filter(({ to }) => to.startsWith(library)).map(({ from }) => from);
      expect(new Set(users).size, library).toBe(1);
    }
  });

  test('a cell loads no library but those that its tenant’s code runs by', () => {
    const loaded = new Set(['host/entry/cell.ts']);
    const libraries = new Set<string>();
    for (const path of loaded) {
      const text = files.find((file) => file.path === path)?.text ?? '';
      for (const { to } of importsOf({ path, text: text.replace(/(?:import|export) type [^;]*;/g, '') })) {
        if (to.startsWith('.')) loaded.add(join(dirname(path), to).split(sep).join('/'));
        else if (!to.startsWith('node:')) libraries.add(to);
      }
    }
    // What reads bundles and flows as people write them would be a fifth of what the start of a cell costs.
    expect([...libraries].sort()).toEqual([
      '@jitl/quickjs-wasmfile-release-sync',
      '@marcbachmann/cel-js',
      'cborg',
      'quickjs-emscripten-core',
    ]);
  });

  test('packs are written as an outsider would: against the SDK alone', () => {
    const wrong = sourcesIn(join(root, 'packs'))
      .flatMap((file) =>
        [...file.text.matchAll(/from\s+["']([^"']+)["']/g)].map(([, to = '']) => `${file.path} → ${to}`),
      )
      .filter((arrow) => arrow.includes('host/'));
    expect(wrong).toEqual([]);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}
