/** How the cells of a cell host count their memories: one word for all of them, and one for each. */
export interface MemoryWords {
  readonly total: SharedArrayBuffer;
  readonly own: SharedArrayBuffer;
}

export function memoryWord(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** The memories of an ended cell are gone with its thread. */
export function forgetMemories({ total, own }: MemoryWords): void {
  Atomics.sub(new Int32Array(total), 0, Atomics.exchange(new Int32Array(own), 0, 0));
}

/**
 * How many WebAssembly memories the cells of one process hold together. V8 keeps address space free behind each, however
 * small it is: a process fails at about 16,000, and all of its cells with it.
 */
export class HostMemories {
  readonly #total: Int32Array<SharedArrayBuffer>;
  readonly #own: Int32Array<SharedArrayBuffer>;
  readonly #most: number;

  /** @param most in the whole process */
  constructor({ total, own }: MemoryWords, most: number) {
    this.#total = new Int32Array(total);
    this.#own = new Int32Array(own);
    this.#most = most;
  }

  add(count: number): void {
    Atomics.add(this.#own, 0, count);
    Atomics.add(this.#total, 0, count);
  }

  remove(count: number): void {
    this.add(-count);
  }

  /** Whether a provider may have its first instance. */
  hasAny(): boolean {
    return Atomics.load(this.#total, 0) < this.#most;
  }

  /**
   * Whether this cell may have more than one of each: while it holds fewer than are left. So one tenant takes half at most,
   * the next half of the rest, and there is always something for one that comes later.
   */
  hasShare(): boolean {
    return Atomics.load(this.#own, 0) < this.#most - Atomics.load(this.#total, 0);
  }
}
