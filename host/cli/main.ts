import { run } from './program.ts';
import type { StopReason } from './world.ts';
import { stoppedStatus } from './world.ts';

/** Runs the process's command line and ends the process with its status. */
export async function main(): Promise<void> {
  const controller = new AbortController();
  const stop = (reason: StopReason): void => controller.abort(reason);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The second one: the user does not want to wait.
      if (controller.signal.aborted) {
        process.stderr.write(`Ended at once by a second signal (${signal}).\n`);
        process.exit(stoppedStatus(signal));
      }
      stop(signal);
    });
  }
  // `gtpack tail | head -1`: nobody reads on, which is no failure.
  process.stdout.on('error', () => stop('output_closed'));
  process.stderr.on('error', () => undefined);
  const status = await run(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    cwd: process.cwd(),
    env: process.env,
    showsProgress: process.stderr.isTTY === true,
    asks: process.stdin.isTTY === true && process.stderr.isTTY === true,
    stop: controller.signal,
    now: Date.now,
  });
  // What was written goes out first; a command that was stopped may have work that never ends.
  process.stdout.write('', () => process.exit(status));
}
