import type { ForkOptions } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostFolder } from '../entry.ts';
import { GtpackError } from '../errors.ts';

/** The libraries that run inside a cell. */
const CELL_LIBRARIES = [
  '@marcbachmann/cel-js',
  'quickjs-emscripten-core',
  '@jitl/quickjs-wasmfile-release-sync',
];

function permissionFlags(): string[] {
  const readable = new Set([hostFolder]);
  for (const library of CELL_LIBRARIES) readable.add(nodeModulesOf(library));
  return [
    '--permission',
    '--allow-worker',
    // For cells to give back the memory of instances that they dropped.
    '--expose-gc',
    // V8 asks whether it has been interrupted only when a function's budget is used up. With the default of 13 million a
    // loop around `memory.fill` of 32 MiB ran on for minutes after its thread was told to end; with this one, 0.2 s.
    '--wasm-tiering-budget=30000',
    ...[...readable].map((folder) => `--allow-fs-read=${folder}`),
    '--disable-warning=SecurityWarning',
    '--disable-warning=ExperimentalWarning',
  ];
}

/** The `node_modules` folder that a library was found in. */
function nodeModulesOf(library: string): string {
  const file = fileURLToPath(import.meta.resolve(library));
  const marker = join('node_modules', library);
  const at = file.lastIndexOf(marker);
  if (at === -1) {
    throw new GtpackError(
      'plugin_invalid',
      `The library ${library} was found at ${dirname(file)}, outside of node_modules.`,
      {
        cure: 'Install gtpack with npm.',
      },
    );
  }
  return join(file.slice(0, at), 'node_modules');
}

/**
 * How a cell host is started: an empty environment, no standard input, and Node's permission model without writing, network,
 * child processes, native addons and inspector. Its workers inherit all of that, but for one thing: Node lets a worker read
 * the working directory whatever the flags say (seen with 26.10), so that is the host's own code, and a cell drops the
 * permission to read before any guest runs.
 */
export const LOCKED_DOWN = {
  cwd: hostFolder,
  execArgv: permissionFlags(),
  env: {},
  serialization: 'advanced',
  stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
} satisfies ForkOptions;
