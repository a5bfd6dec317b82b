import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/**
 * The bytes of the script engine's WebAssembly module, for the main process to send to cells: a cell reads no files.
 * Kept apart from the engine so that nothing a cell loads imports `fs`.
 */
export async function loadScriptWasm(): Promise<Uint8Array> {
  const path = fileURLToPath(import.meta.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'));
  return new Uint8Array(await readFile(path));
}
