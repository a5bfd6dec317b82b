import { join } from 'node:path';
import { main } from 'assemblyscript/asc';
import { repository } from './workspace.ts';

const SOURCE = 'assembly/index.ts';
const OUTPUT = 'echo.wasm';

/** Compiles test/guests/echo-extism. It allocates nothing, so its runtime frees nothing. */
export async function extismEcho(): Promise<Uint8Array> {
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await main(
    [
      SOURCE,
      ...['--baseDir', join(repository, 'test/guests/echo-extism')],
      ...['--outFile', OUTPUT, '--runtime', 'stub', '--optimizeLevel', '3'],
    ],
    {
      writeFile(name, contents) {
        if (name === OUTPUT && typeof contents !== 'string') wasm = contents;
      },
    },
  );
  if (error !== null || wasm === undefined) throw new Error(`AssemblyScript: ${stderr.toString()}`);
  return wasm;
}
