import type { Owner, Watch } from './watch.ts';

/**
 * Lets suspended guests go on, one a turn of the event loop. Within a turn only that guest's code runs, so that the watch
 * names whose code it is; and between two of them the thread hears its port.
 */
export class GuestTurns {
  readonly #watch: Watch;
  readonly #waiting: { readonly owner: Owner; readonly hand: () => void }[] = [];
  #running = false;

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  /** Calls `hand` in a later turn; what follows from it before the turn ends is the owner's. */
  take(owner: Owner, hand: () => void): void {
    this.#waiting.push({ owner, hand });
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    const turn = this.#waiting.shift();
    if (turn === undefined) {
      this.#running = false;
      return;
    }
    this.#watch.enter(turn.owner);
    turn.hand();
    // Promise jobs run before the next turn: the guest goes on, and is suspended or done by then.
    setImmediate(() => {
      this.#watch.leave();
      this.#next();
    });
  }
}
