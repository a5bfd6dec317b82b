import { errorMessage } from '../errors.ts';
import type { TrialReply, TrialRequest } from '../sandbox/compile-trial.ts';

/** Entry of the process that compiles core modules to see what that takes. */

/** V8 compiles on threads of its own, so this one sees the memory grow: in 10 ms by some 10 MiB, on two cores. */
const LOOK_EVERY_MS = 10;
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
    if (process.memoryUsage.rss() > memoryBytes) process.kill(process.pid, 'SIGKILL');
  }, LOOK_EVERY_MS);
  void compile(bytes).then((reply) => {
    clearInterval(looking);
    process.send?.(reply);
  });
});
// The main process is gone: nobody waits for an answer.
process.on('disconnect', () => process.exit(0));
