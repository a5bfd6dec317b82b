import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What the build and `npm pack` read. */
const BUILD_INPUTS = [
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts',
  'host',
  'sdk',
  'docs',
  'README.md',
  'SECURITY.md',
  'LICENSE',
];

/** The published package where somebody installed it: plain files, no links into the checkout. */
export interface Installation {
  /** Holds `node_modules` and nothing else at first. */
  readonly folder: string;
  /** The program that the package's `bin` names. */
  readonly program: string;
  /** Paths in the published archive. */
  readonly published: readonly string[];
  /** Copies packages of the checkout beside gtpack, with what is nested in them. */
  add(...names: readonly string[]): void;
  remove(): void;
}

/** Builds and packs a copy of the checkout, so that nothing else sees half a `dist`, and installs it without a network. */
export function install(): Installation {
  // npm's paths are real ones; the system's temporary folder may be a link.
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'gtpack-published-')));
  try {
    return installIn(scratch);
  } catch (error) {
    rmSync(scratch, { recursive: true });
    throw error;
  }
}

function installIn(scratch: string): Installation {
  const checkout = join(scratch, 'checkout');
  for (const path of BUILD_INPUTS) cpSync(join(root, path), join(checkout, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
  npm(['run', '--silent', 'build'], checkout);
  const packed = JSON.parse(
    npm(['pack', '--ignore-scripts', '--json', '--pack-destination', scratch], checkout),
  );
  const { filename, files } = firstOf(packed);

  const folder = join(scratch, 'elsewhere');
  const own = join(folder, 'node_modules', 'gtpack');
  mkdirSync(own, { recursive: true });
  execFileSync('tar', ['-xzf', join(scratch, filename), '-C', own, '--strip-components=1']);
  for (const path of productionPackages()) copyPackage(path, folder);
  return {
    folder,
    program: join(own, 'dist', 'host', 'cli', 'gtpack.mjs'),
    published: files.map(({ path }) => path),
    add: (...names) => {
      for (const name of names) {
        const path = join('node_modules', name);
        cpSync(join(root, path), join(folder, path), { recursive: true });
      }
    },
    remove: () => rmSync(scratch, { recursive: true }),
  };
}

/** What a command printed and how it ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the installed program to its end, by default with the Node that runs the tests. */
export function gtpack(
  { folder, program }: Installation,
  args: readonly string[],
  node: readonly [string, ...string[]] = [process.execPath],
): Outcome {
  const [command, ...flags] = node;
  const { status, stdout, stderr } = spawnSync(command, [...flags, program, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** A list in older releases of npm, an object by package name in newer ones. */
function firstOf(packed: readonly Packed[] | Readonly<Record<string, Packed>>): Packed {
  const [first] = Object.values(packed);
  if (first === undefined) throw new Error('npm pack made nothing.');
  return first;
}

/** Absolute paths in the checkout. The first line of the list is the checkout itself. */
function productionPackages(): string[] {
  return npm(['ls', '--omit=dev', '--all', '--parseable'], root).trim().split('\n').slice(1);
}

/** One package without what is nested in it; that has a line of its own in the list. */
function copyPackage(path: string, folder: string): void {
  const target = join(folder, relative(root, path));
  cpSync(path, target, {
    recursive: true,
    filter: (source) => source === path || basename(source) !== 'node_modules',
  });
}

function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}
