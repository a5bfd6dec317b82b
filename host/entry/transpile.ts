import { transpileBytes } from '@bytecodealliance/jco-transpile';
import { errorMessage } from '../errors.ts';
import type { TranspileReply } from '../sandbox/transpiler.ts';

/** Entry of the process that turns one component into glue and core modules, and ends. */
process.once('message', (wasm: Uint8Array) => {
  const reply = (message: TranspileReply): void => {
    process.send?.(message, () => process.exit(0));
  };
  transpileBytes(wasm, {
    name: 'plugin',
    instantiation: 'sync',
    wasiShim: false,
    emitTypescriptDeclarations: false,
    base64Cutoff: 0,
  }).then(
    ({ files }) => reply({ kind: 'ok', files }),
    (error: unknown) => reply({ kind: 'failed', message: errorMessage(error) }),
  );
});
