import type { Scheduler } from './scheduler.ts';
import type { StoreConnection } from './store-connection.ts';

/** A round starts this long after the last one ended. */
const ROUND_MS = 60_000;
/** Steps follow one another at once while the store idles, and are spaced while it works. */
const BUSY_STEP_MS = 25;

/** Sets off the sweep of what is older than the retention, a small step at a time. */
export class Retention {
  readonly #store: StoreConnection;
  readonly #scheduler: Scheduler;
  readonly #retentionMs: number;
  /** Of the next step; undefined once closed. */
  #cancel: (() => void) | undefined;

  constructor(store: StoreConnection, scheduler: Scheduler, retentionMs: number) {
    this.#store = store;
    this.#scheduler = scheduler;
    this.#retentionMs = retentionMs;
    this.#cancel = this.#after(ROUND_MS);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #after(delayMs: number): () => void {
    return this.#scheduler.after(delayMs, () => this.#step());
  }

  #step(): void {
    const storedBefore = Math.floor(this.#scheduler.now() - this.#retentionMs);
    this.#store.submit<'sweep'>({ kind: 'sweep', storedBefore }, 0, (answer) => {
      if (this.#cancel === undefined) return;
      if (!answer.ok || !answer.result) this.#cancel = this.#after(ROUND_MS);
      else if (this.#store.isIdle) this.#step();
      else this.#cancel = this.#after(BUSY_STEP_MS);
    });
  }
}
