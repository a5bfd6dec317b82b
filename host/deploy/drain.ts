/** One bound for all that a host waits for when it stops (B7). */
export class Drain {
  readonly #endsAt: number;
  readonly #monotonicMs: () => number;

  /** @param monotonicMs milliseconds of a clock that only goes forward */
  constructor(graceMs: number, monotonicMs: () => number) {
    this.#endsAt = monotonicMs() + graceMs;
    this.#monotonicMs = monotonicMs;
  }

  get leftMs(): number {
    return Math.max(0, this.#endsAt - this.#monotonicMs());
  }

  /** Waits for it as long as is left. @returns whether it was done by then */
  async wait(work: Promise<unknown>): Promise<boolean> {
    const { promise: over, resolve } = Promise.withResolvers<false>();
    const timer = setTimeout(resolve, this.leftMs, false);
    try {
      return await Promise.race([work.then(() => true), over]);
    } finally {
      clearTimeout(timer);
    }
  }
}
