import type { JsonBounds } from '../../event/json-bounds.ts';
import type { OutsideEvents } from '../bus.ts';

/** No event is put off for longer, however many are. */
const MAX_DELAY_MS = 60_000;

/**
 * Lets the events of a tenant in that no host published. What comes past its rate goes back to the server, each for so
 * much longer than the one before that they come again one by one: a flood costs a delivery each, and not one each time
 * that a single one may pass.
 */
export class OutsideGate {
  readonly #outside: OutsideEvents | undefined;
  readonly #now: () => number;
  /** When the last of those that were put off comes again. */
  #lastAt = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(outside: OutsideEvents | undefined, now: () => number) {
    this.#outside = outside;
    this.#now = now;
  }

  /** Undefined where the consumer has none of its own. */
  get bounds(): JsonBounds | undefined {
    return this.#outside?.bounds;
  }

  /** @returns 0 where one may pass, and it has */
  delayMs(): number {
    const waitMs = this.#outside?.admit() ?? 0;
    if (waitMs <= 0) return 0;
    const now = this.#now();
    const at = Math.min(Math.max(now, this.#lastAt) + waitMs, now + MAX_DELAY_MS);
    this.#lastAt = at;
    return at - now;
  }
}
