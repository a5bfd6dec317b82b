/** Of an event: whole numbers do not drift. */
const THOUSANDTHS = 1000;

/**
 * A rate with bursts of one second's worth. What is taken at once may be more than is left: the rest is owed, and nothing
 * is taken until it is paid, so that the rate holds whatever the size of what comes.
 */
export class TokenBucket {
  readonly #perSecond: number;
  /** In thousandths: a millisecond gains as many as there are in a second. */
  #left: number;
  #at: number;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond * THOUSANDTHS;
    this.#at = now;
  }

  /** @returns 0 where it was taken; else in how many milliseconds something may be, and nothing was taken */
  take(count: number, now: number): number {
    this.#fill(now);
    if (this.#left < THOUSANDTHS) return Math.ceil((THOUSANDTHS - this.#left) / this.#perSecond);
    this.#left -= count * THOUSANDTHS;
    return 0;
  }

  /** Takes it, owed or not. */
  owe(count: number, now: number): void {
    this.#fill(now);
    this.#left -= count * THOUSANDTHS;
  }

  #fill(now: number): void {
    const gained = Math.max(0, now - this.#at) * this.#perSecond;
    this.#left = Math.min(this.#perSecond * THOUSANDTHS, this.#left + gained);
    this.#at = Math.max(this.#at, now);
  }
}
