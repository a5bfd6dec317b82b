import { setFlagsFromString } from 'node:v8';
import { errorMessage } from '../errors.ts';
import { MEMORY_SIGNAL, type TrialReply, type TrialRequest } from '../sandbox/compile-trial.ts';

/** Entry of the process that compiles core modules to see what that takes. */

/** V8 compiles on threads of its own, so this one sees the memory grow: in 10 ms by some 10 MiB, on two cores. */
const LOOK_EVERY_MS = 10;
/**
 * All functions at once, not each at its first call. Set here and not at the start: Node's own WebAssembly, which strips the
 * types of this file, would be compiled like this, too; and set once, since V8 ends a process where they change later.
 */
setFlagsFromString('--no-wasm-lazy-compilation');
if (process.argv[2] === 'optimizing') {
  setFlagsFromString('--no-liftoff');
  // What the first implies at a start: without a baseline compiler, nothing was seen of calls, and nothing can fall back.
  setFlagsFromString('--no-wasm-dynamic-tiering');
  setFlagsFromString('--no-wasm-deopt');
}

async function compile(bytes: Uint8Array): Promise<TrialReply> {
  try {
    await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
    return { kind: 'ok' };
  } catch (error) {
    return { kind: 'failed', message: errorMessage(error) };
  }
}

process.on('message', ({ bytes, memoryBytes }: TrialRequest) => {
  const looking = setInterval(() => {
    if (process.memoryUsage.rss() > memoryBytes) process.kill(process.pid, MEMORY_SIGNAL);
  }, LOOK_EVERY_MS);
  void compile(bytes).then((reply) => {
    clearInterval(looking);
    process.send?.(reply);
  });
});
// The main process is gone: nobody waits for an answer.
process.on('disconnect', () => process.exit(0));
