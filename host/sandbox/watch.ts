import type { UsageMeter } from './usage.ts';

/**
 * The memory that a cell shares with its supervisor: whose code is running, if any's. The cell writes before and after
 * each uninterrupted stretch of guest code; the supervisor looks from outside, since nothing inside a thread in an endless
 * loop can.
 */
const STRETCH = 0;
const RUNNING = 1;
const SOURCE_BYTES = 2;
const WORDS = 3;
const IDLE = 0;
const WORDS_BYTES = WORDS * Int32Array.BYTES_PER_ELEMENT;
/** Names of providers and flows are shorter. */
const MAX_SOURCE_BYTES = 192;

/** Stands for the opening of a cell where a job is expected. Jobs count from 1. */
export const OPENING_JOB = 0;

/** Whose code it is: on behalf of a job, and a provider's id or `flow:<name>`. */
export interface Owner {
  readonly job: number;
  readonly source: string;
}

export class Watch {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #name: Buffer<SharedArrayBuffer>;
  readonly #meter: UsageMeter | undefined;
  /** Whose name stands there: most stretches belong to the same source as the one before. */
  #source = '';

  /** @param meter the cell's own; the supervisor has none */
  constructor(buffer: SharedArrayBuffer, meter?: UsageMeter) {
    this.#meter = meter;
    this.#words = new Int32Array(buffer, 0, WORDS);
    this.#name = Buffer.from(buffer, WORDS_BYTES, MAX_SOURCE_BYTES);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(WORDS_BYTES + MAX_SOURCE_BYTES);
  }

  /** Runs one stretch of guest code. Stretches do not nest. */
  guard<T>(owner: Owner, stretch: () => T): T {
    this.enter(owner);
    try {
      return stretch();
    } finally {
      this.leave();
    }
  }

  /** Begins a stretch that no function encloses: a suspended guest that goes on. */
  enter({ job, source }: Owner): void {
    Atomics.add(this.#words, STRETCH, 1);
    if (source !== this.#source) {
      this.#source = source;
      Atomics.store(this.#words, SOURCE_BYTES, this.#name.write(source));
    }
    // Job ids wrap at 2^30, so that no id is negative or the word for idle.
    Atomics.store(this.#words, RUNNING, job + 1);
    this.#meter?.enter(source);
  }

  leave(): void {
    this.#meter?.leave();
    Atomics.store(this.#words, RUNNING, IDLE);
  }

  /** What runs now: the number of the stretch, and whose it is; the name is right if the stretch still runs afterwards. */
  look(): (Owner & { readonly stretch: number }) | undefined {
    const running = Atomics.load(this.#words, RUNNING);
    if (running === IDLE) return undefined;
    const stretch = Atomics.load(this.#words, STRETCH);
    // The cell is not trusted with a length.
    const bytes = Math.min(Math.max(0, Atomics.load(this.#words, SOURCE_BYTES)), MAX_SOURCE_BYTES);
    return { stretch, job: running - 1, source: this.#name.toString('utf8', 0, bytes) };
  }
}
