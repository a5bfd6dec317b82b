import type { Readable, Writable } from 'node:stream';

/** All that a command sees of the process it runs in, so that tests can run it in theirs. */
export interface CliWorld {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly stdin: Readable;
  /** Absolute path. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether long work shows its steps: someone watches. */
  readonly showsProgress: boolean;
  /** Whether stdin is a terminal, where someone may be asked. */
  readonly asks: boolean;
  /** Aborted with a `StopReason` when the command should end. */
  readonly stop: AbortSignal;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** Nobody reads the output any more, or the user or the system ends the command. */
export type StopReason = 'output_closed' | 'SIGINT' | 'SIGTERM';

/** The exit status of a command that was stopped before it was done. */
export function stoppedStatus(reason: StopReason): number {
  switch (reason) {
    case 'output_closed':
      return 0;
    case 'SIGINT':
      return 130;
    case 'SIGTERM':
      return 143;
  }
}

/** Resolves when the command should end. */
export function stopped(world: CliWorld): Promise<StopReason> {
  const { stop } = world;
  if (stop.aborted) return Promise.resolve(stop.reason);
  return new Promise((resolve) => {
    stop.addEventListener('abort', () => resolve(stop.reason), { once: true });
  });
}
