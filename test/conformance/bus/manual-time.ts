import type { Scheduler } from '../../../host/bus/embedded/scheduler.ts';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that a test moves; timers ring while it moves, in order. */
export class ManualTime implements Scheduler {
  #now = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }

  /** The clock is set back, as by an operator; timers keep their instants. */
  setBack(ms: number): void {
    this.#now -= ms;
  }
}
