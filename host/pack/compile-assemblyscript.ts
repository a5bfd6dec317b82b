import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorMessage, GtpackError } from '../errors.ts';
import { sdkFolder } from './sdk-folder.ts';

/** What sources import the SDK by. */
const SDK_NAME = 'gtpack';
/** Where the compiler looks for a package first; the SDK is put there whether or not there is such a folder. */
const SDK_IMPORT = new RegExp(`^node_modules/${SDK_NAME}/(.+)$`);
const OUTPUT = 'provider.wasm';

/**
 * For an instance that serves many calls: the minimal runtime collects when the host tells it to, between calls, and is
 * smaller and faster than the one that collects by itself; exported so that the host can allocate and pin. Assertions stay in: a broken invariant traps, and the instance is discarded.
 */
const OPTIONS = [
  ...['--optimizeLevel', '3', '--shrinkLevel', '1', '--converge'],
  ...['--runtime', 'minimal', '--exportRuntime'],
  ...['--outFile', OUTPUT, '--noColors'],
];

/**
 * Compiles an AssemblyScript entry file. File names in the result are relative to `dir`, so that the same source gives
 * the same bytes on any machine.
 * @throws GtpackError `pack_compiler_missing`, `pack_compile_failed` with the compiler's own messages
 */
export async function compileAssemblyScript(dir: string, entry: string): Promise<Uint8Array> {
  const { default: asc } = await importCompiler();
  const sdk = join(sdkFolder, 'assemblyscript', 'assembly');
  const messages: string[] = [];
  let output: Uint8Array | undefined;
  const { error } = await asc.main([entry, ...OPTIONS], {
    stdout: textSink(messages),
    stderr: textSink(messages),
    async readFile(name: string) {
      // A pack's own asconfig.json would change the options above.
      if (name === 'asconfig.json') return null;
      const path = name.replaceAll('\\', '/');
      const sdkFile = SDK_IMPORT.exec(path)?.[1];
      try {
        return await readFile(sdkFile === undefined ? resolve(dir, path) : join(sdk, sdkFile), 'utf8');
      } catch {
        // The compiler tries several names for one import.
        return null;
      }
    },
    writeFile(name: string, contents: string | Uint8Array) {
      if (name === OUTPUT && typeof contents !== 'string') output = contents;
    },
    listFiles: () => [],
  });
  if (error === null && output !== undefined) return output;
  throw new GtpackError(
    'pack_compile_failed',
    `AssemblyScript refused the source:\n${messages.join('').trim()}`,
    {
      file: join(dir, entry),
      cause: error,
    },
  );
}

async function importCompiler(): Promise<typeof import('assemblyscript/asc')> {
  try {
    return await import('assemblyscript/asc');
  } catch (error) {
    throw new GtpackError(
      'pack_compiler_missing',
      `The AssemblyScript compiler is not installed: ${errorMessage(error).split('\n', 1)[0]}.`,
      { cure: 'Run: npm install --save-dev assemblyscript', cause: error },
    );
  }
}

function textSink(lines: string[]): { write(text: string): void } {
  return { write: (text) => void lines.push(text) };
}
