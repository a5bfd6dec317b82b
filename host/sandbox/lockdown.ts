import { type ChildProcess, type ForkOptions, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { hostFolder } from '../entry.ts';
import { GtpackError } from '../errors.ts';

/** The libraries that run inside a cell. */
const CELL_LIBRARIES = [
  '@marcbachmann/cel-js',
  'ajv',
  'quickjs-emscripten-core',
  '@jitl/quickjs-wasmfile-release-sync',
];

/** Node's permission model, with nothing allowed but to read the host's own code and where these libraries lie. */
function readingOnly(libraries: readonly string[]): string[] {
  const readable = new Set([hostFolder, ...libraries.map(nodeModulesOf)]);
  return [
    '--permission',
    ...[...readable].map((folder) => `--allow-fs-read=${folder}`),
    // The permission model does not hold for what SQLite opens (seen with 26.10: it writes any file), nor for foreign
    // functions; nobody here needs either.
    '--no-experimental-sqlite',
    '--no-experimental-ffi',
    '--disable-warning=SecurityWarning',
    '--disable-warning=ExperimentalWarning',
  ];
}

function cellHostFlags(): string[] {
  return [
    ...readingOnly(CELL_LIBRARIES),
    '--allow-worker',
    // For cells to give back the memory of instances that they dropped.
    '--expose-gc',
    // V8 asks whether it has been interrupted only when a function's budget is used up. With the default of 13 million a
    // loop around `memory.fill` of 32 MiB ran on for minutes after its thread was told to end; with this one, 0.2 s.
    '--wasm-tiering-budget=30000',
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
 *
 * Its messages cross a pipe, file descriptor 3, in frames of our own: see `frame-channel.ts`.
 * @param entry path or file URL of what it runs
 * @param flags more of Node's
 */
export function startLockedDown(entry: string | URL, flags: readonly string[] = []): ChildProcess {
  const file = entry instanceof URL ? fileURLToPath(entry) : entry;
  return spawn(execPath, [...cellHostFlags(), ...flags, file], {
    cwd: hostFolder,
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
}

/** How the process that compiles modules to see what that takes is started: it reads nothing but the host's own code. */
export function lockedDownCompiler() {
  return {
    cwd: hostFolder,
    execArgv: [
      ...readingOnly([]),
      // What a module takes must not depend on the number of cores.
      '--wasm-num-compilation-tasks=2',
    ],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  } satisfies ForkOptions;
}

/**
 * How the process that transpiles one component is started: as a cell host is, but with the addons that it loads. The
 * component is a stranger's, and the transpiler that reads it is a large program.
 */
export function lockedDownTranspiler(maxHeapBytes: number) {
  return {
    cwd: hostFolder,
    execArgv: [
      ...readingOnly(['@bytecodealliance/jco-transpile']),
      // Its WASI shim has a thread, and its minifier, which is not used, is loaded with it.
      '--allow-worker',
      '--allow-addons',
      `--max-old-space-size=${Math.floor(maxHeapBytes / 1024 / 1024)}`,
    ],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  } satisfies ForkOptions;
}
