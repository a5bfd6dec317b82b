import { fork } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PLUGIN_PACKAGE, type PluginExport, type PluginImport } from '../contract.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import { FREE_IMPORTS, interfaceName } from './plugin-interface.ts';
import { steadyRuntime } from './quickjs-runtime.ts';
import { sdkFolder } from './sdk-folder.ts';

const WORLD = 'provider';
const MAX_MESSAGE_CHARACTERS = 8192;

/** The world that a component is built against. */
export interface ComponentWorld {
  readonly exports: readonly PluginExport[];
  readonly imports: readonly PluginImport[];
}

/**
 * Compiles a TypeScript entry file to a component, through jco's QuickJS backend, in a process of its own (it changes
 * the working directory and writes to the console).
 * @throws GtpackError `pack_compiler_missing`, `pack_compile_failed` with the compiler's own messages
 */
export async function compileTypeScript(
  dir: string,
  entry: string,
  world: ComponentWorld,
): Promise<Uint8Array> {
  const compiler = findCompiler();
  const scratch = await mkdtemp(join(tmpdir(), 'gtpack-build-'));
  try {
    const wit = join(scratch, 'wit');
    await mkdir(join(wit, 'deps'), { recursive: true });
    await cp(join(sdkFolder, 'wit'), join(wit, 'deps', 'gtpack-plugin'), { recursive: true });
    await writeFile(join(wit, 'world.wit'), worldText(world));
    const bundling = join(scratch, 'bundling.mjs');
    await writeFile(bundling, bundlingText());
    const output = join(scratch, 'provider.wasm');
    const runtime = join(scratch, 'runtime.wasm');
    await writeFile(runtime, steadyRuntime(await readFile(compiler.native)));
    const messages = await runCompiler(compiler, dir, preloadText(compiler, wit, runtime), [
      ...[
        'componentize',
        join(dir, entry),
        '--wit',
        wit,
        '--world-name',
        WORLD,
        '--out',
        output,
        '--cwd',
        dir,
      ],
      ...['--bundle-config', bundling],
      ...['--backend', 'quickjs', '--backend-qjs-disable-async', '--backend-qjs-stub-wasi'],
    ]);
    if (messages === undefined) return await readFile(output);
    throw refusal(messages, join(dir, entry));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** How the engine says that the source imports what its world does not list. */
const NOT_IN_WORLD = new RegExp(`failed to resolve JavaScript import "${PLUGIN_PACKAGE}/([a-z]+)@`);

function refusal(messages: string, file: string): GtpackError {
  const name = NOT_IN_WORLD.exec(messages)?.[1];
  if (name === undefined)
    return new GtpackError('pack_compile_failed', `jco refused the source:\n${messages}`, { file });
  return new GtpackError(
    'pack_compile_failed',
    `The source imports "${name}", which the provider does not request.`,
    { file, cure: `Add to its requests in pack.yaml: - { capability: ${name}, reason: "why it is needed" }` },
  );
}

function worldText(world: ComponentWorld): string {
  const imports = [...new Set([...FREE_IMPORTS, ...world.imports])].map(
    (name) => `  import ${interfaceName(name)};`,
  );
  const exports = world.exports.map((name) => `  export ${interfaceName(name)};`);
  return ['package gtpack:built@0.1.0;', `world ${WORLD} {`, ...imports, ...exports, '}', ''].join('\n');
}

/** Sources import the SDK by this name; it is taken from this installation. */
const SDK_NAME = 'gtpack/sdk';

/** What the component links and the bundler leaves alone. */
const HOST_INTERFACE = `/^${PLUGIN_PACKAGE}\\//`;

/**
 * The SDK wraps every interface of the host. One whose wrapper the source does not use has to go without a trace: even a bare
 * import of it would have to be in the world, and so be requested.
 */
function bundlingText(): string {
  const alias = JSON.stringify({ [SDK_NAME]: join(sdkFolder, 'typescript', 'index.ts') });
  const treeshake = `{ moduleSideEffects: [{ test: ${HOST_INTERFACE}, sideEffects: false }] }`;
  // It would write where each piece comes from into the component: other folder, other bytes.
  const experimental = `{ attachDebugInfo: 'none' }`;
  return `export default { resolve: { alias: ${alias} }, external: ${HOST_INTERFACE}, treeshake: ${treeshake}, experimental: ${experimental} };\n`;
}

interface Compiler {
  /** jco's command line. */
  readonly entry: string;
  /** The file system that its WIT parser is given. */
  readonly fileSystem: string;
  /** What makes components of scripts, and its native module. */
  readonly engine: string;
  readonly native: string;
}

function findCompiler(): Compiler {
  try {
    const jco = import.meta.resolve('@bytecodealliance/jco');
    const parser = createRequire(jco).resolve('@bytecodealliance/jco-transpile');
    const fileSystem = createRequire(parser).resolve('@bytecodealliance/preview2-shim/filesystem');
    const engine = createRequire(jco).resolve('componentize-qjs');
    return {
      entry: fileURLToPath(new URL('./jco.js', jco)),
      fileSystem: pathToFileURL(fileSystem).href,
      engine,
      native: nativeModule(engine),
    };
  } catch (error) {
    throw new GtpackError(
      'pack_compiler_missing',
      `The component compiler is not installed: ${errorMessage(error).split('\n', 1)[0]}.`,
      { cure: 'Run: npm install --save-dev @bytecodealliance/jco', cause: error },
    );
  }
}

/** The one of its packages that is made for this machine, and so was installed. @throws Error where none is */
function nativeModule(engine: string): string {
  const require = createRequire(engine);
  const { optionalDependencies = {} } = require('./package.json') as {
    optionalDependencies?: Readonly<Record<string, string>>;
  };
  const [installed] = Object.keys(optionalDependencies).flatMap((name) => {
    try {
      return [require.resolve(name)];
    } catch {
      return [];
    }
  });
  if (installed === undefined) throw new Error('componentize-qjs has no native module for this machine');
  return installed;
}

/**
 * What jco has no option for. Its WIT parser is itself a component, and its file system starts out empty: it is shown the one
 * folder. And the engine that it starts is the one that starts the same each time.
 */
function preloadText({ fileSystem, engine }: Compiler, wit: string, runtime: string): string {
  const text = JSON.stringify;
  return [
    `import { readFileSync } from 'node:fs';`,
    `import { createRequire } from 'node:module';`,
    `import { _addPreopen } from ${text(fileSystem)};`,
    `_addPreopen(${text(wit)}, ${text(wit)});`,
    `const engine = createRequire(${text(engine)})(${text(engine)});`,
    `const { componentize } = engine;`,
    `const runtimeBytes = readFileSync(${text(runtime)});`,
    `engine.componentize = ({ sync, ...options }) => componentize({ ...options, runtimeBytes });`,
  ].join('\n');
}

/** @returns what the compiler wrote if it failed, else undefined */
function runCompiler(
  compiler: Compiler,
  cwd: string,
  preload: string,
  args: readonly string[],
): Promise<string | undefined> {
  const execArgv = ['--import', `data:text/javascript,${encodeURIComponent(preload)}`];
  return new Promise((done, fail) => {
    const child = fork(compiler.entry, args, { cwd, execArgv, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    let messages = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        if (messages.length < MAX_MESSAGE_CHARACTERS) messages += text;
      });
    }
    child.once('error', fail);
    child.once('close', (code) =>
      done(code === 0 ? undefined : messages.trim() || `it ended with status ${code}`),
    );
  });
}
