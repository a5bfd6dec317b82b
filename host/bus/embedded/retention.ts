import type { Scheduler } from './scheduler.ts';
import type { StoreConnection } from './store-connection.ts';

/** A round starts this long after the last one ended. */
const ROUND_MS = 60_000;
/** At least so long after the last one where the file is crowded: a round that found nothing to free is not begun at once. */
const URGED_ROUND_MS = 5000;
/** Steps follow one another at once while the store idles, and are spaced while it works. */
const BUSY_STEP_MS = 10;

/** Sets off the sweep of what may go, a small step at a time. */
export class Retention {
  readonly #store: StoreConnection;
  readonly #scheduler: Scheduler;
  readonly #retentionMs: number;
  /** Of the next step; undefined once closed. */
  #cancel: (() => void) | undefined;
  /** Between two rounds: when the last one ended. */
  #restingSince: number | undefined = Number.NEGATIVE_INFINITY;

  constructor(store: StoreConnection, scheduler: Scheduler, retentionMs: number) {
    this.#store = store;
    this.#scheduler = scheduler;
    this.#retentionMs = retentionMs;
    this.#cancel = this.#after(ROUND_MS);
  }

  /** The file nears its bound: the next round begins soon. */
  urge(): void {
    if (this.#restingSince === undefined || this.#cancel === undefined) return;
    const waitMs = Math.max(0, this.#restingSince + URGED_ROUND_MS - this.#scheduler.now());
    this.#restingSince = undefined;
    this.#cancel();
    this.#cancel = this.#after(Math.min(waitMs, URGED_ROUND_MS));
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #after(delayMs: number): () => void {
    return this.#scheduler.after(delayMs, () => this.#step());
  }

  #step(): void {
    this.#restingSince = undefined;
    const storedBefore = Math.floor(this.#scheduler.now() - this.#retentionMs);
    this.#store.submit<'sweep'>({ kind: 'sweep', storedBefore }, 0, (answer) => {
      if (this.#cancel === undefined) return;
      if (!answer.ok || !answer.result) {
        this.#restingSince = this.#scheduler.now();
        this.#cancel = this.#after(ROUND_MS);
      } else if (this.#store.isIdle) this.#step();
      else this.#cancel = this.#after(BUSY_STEP_MS);
    });
  }
}
