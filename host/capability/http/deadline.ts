import { GtpackError } from '../../errors.ts';

/**
 * Runs work whose signal aborts after `ms`, when the caller is gone, or when `stop` is called; the reason is a
 * GtpackError. Nothing of it outlives the work.
 */
export class Deadlines {
  readonly #running = new Set<AbortController>();
  #stopped = false;

  async run<T>(ms: number, caller: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#stopped) throw stopping();
    const controller = new AbortController();
    const onGone = () => controller.abort(new GtpackError('cell_lost', 'The call was given up.'));
    const timer = setTimeout(() => controller.abort(late(ms)), ms);
    caller.addEventListener('abort', onGone, { once: true });
    if (caller.aborted) onGone();
    this.#running.add(controller);
    try {
      controller.signal.throwIfAborted();
      return await work(controller.signal);
    } finally {
      this.#running.delete(controller);
      caller.removeEventListener('abort', onGone);
      clearTimeout(timer);
    }
  }

  /** Ends what runs; nothing runs after it. */
  stop(): void {
    this.#stopped = true;
    for (const controller of this.#running) controller.abort(stopping());
  }
}

function late(ms: number): GtpackError {
  return new GtpackError('http_timeout', `The HTTP request took longer than ${ms} ms, redirects included.`, {
    cure: 'Try again later, or let the operator raise timeout in the grant.',
  });
}

function stopping(): GtpackError {
  return new GtpackError('host_stopping', 'The host is stopping.');
}
