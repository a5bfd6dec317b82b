import { transpileBytes } from '@bytecodealliance/jco-transpile';
import { errorMessage } from '../errors.ts';
import type { TranspileReply, TranspileRequest } from '../sandbox/transpiler.ts';

/** Entry of the process that turns one component into glue and core modules, and ends. */
process.once('message', ({ wasm, waits }: TranspileRequest) => {
  const reply = (message: TranspileReply): void => {
    process.send?.(message, () => process.exit(0));
  };
  transpileBytes(wasm, {
    name: 'plugin',
    instantiation: 'sync',
    wasiShim: false,
    emitTypescriptDeclarations: false,
    base64Cutoff: 0,
    ...(waits.imports.length === 0
      ? {}
      : { asyncMode: 'jspi', asyncImports: [...waits.imports], asyncExports: [...waits.exports] }),
  }).then(
    ({ files }) => reply({ kind: 'ok', files }),
    (error: unknown) => reply({ kind: 'failed', message: errorMessage(error) }),
  );
});
