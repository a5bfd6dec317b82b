/**
 * The memory that a cell shares with its supervisor: which job's code is running, if any. The cell writes two words
 * before and one after each uninterrupted stretch of guest code; the supervisor looks from outside, since nothing inside
 * a thread in an endless loop can.
 */
const STRETCH = 0;
const RUNNING = 1;
const WORDS = 2;
const IDLE = 0;

/** Stands for the opening of a cell where a job is expected. Jobs count from 1. */
export const OPENING_JOB = 0;

export class Watch {
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
  }

  /** Runs one stretch of guest code on behalf of a job. Stretches do not nest. */
  guard<T>(job: number, stretch: () => T): T {
    this.enter(job);
    try {
      return stretch();
    } finally {
      this.leave();
    }
  }

  /** Begins a stretch that no function encloses: a suspended guest that goes on. */
  enter(job: number): void {
    Atomics.add(this.#words, STRETCH, 1);
    // Job ids wrap at 2^30, so that no id is negative or the word for idle.
    Atomics.store(this.#words, RUNNING, job + 1);
  }

  leave(): void {
    Atomics.store(this.#words, RUNNING, IDLE);
  }

  /** What runs now: the number of the stretch and its job. */
  look(): { readonly stretch: number; readonly job: number } | undefined {
    const running = Atomics.load(this.#words, RUNNING);
    if (running === IDLE) return undefined;
    return { stretch: Atomics.load(this.#words, STRETCH), job: running - 1 };
  }
}
