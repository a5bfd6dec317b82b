import type { QuickJs } from './quickjs.ts';

/** The build's `-s STACK_SIZE`: the C stack lies between the static data and the heap, growing down from the heap. */
const STACK_BYTES = 5 * 1024 * 1024;
/** Static data of the build is 90 KB; only here is the break's word looked for. */
const SEARCHED_BYTES = 1024 * 1024;
const PROBE_BYTES = 64 * 1024;

/**
 * Where things are in the linear memory:
 *
 *   0 … stackLow           static data of QuickJS and its C library, the allocator's state included
 *   stackLow … heapBase    C stack; at rest it is empty, and nothing reads what an earlier call left in it
 *   heapBase … break       heap
 *   break … end            never used, so zero (the break never goes down)
 */
export interface MemoryLayout {
  readonly stackLow: number;
  readonly heapBase: number;
  /** Index of the 32-bit word that holds the break. */
  readonly breakWord: number;
}

/** Copy of the first words, taken when only the data segments have been written; see `findLayout`. */
export function initialWords(memory: WebAssembly.Memory): Uint32Array<ArrayBuffer> {
  return new Uint32Array(memory.buffer.slice(0, SEARCHED_BYTES));
}

/**
 * Finds the word that holds the break by watching it follow two allocations. It is the only word that does so and
 * that was not zero to begin with: it starts as the heap's base.
 *
 * @throws Error if the build lays its memory out in another way.
 */
export function findLayout(quickjs: QuickJs, initial: Uint32Array): MemoryLayout {
  let candidates = [...initial.keys()].filter((word) => initial[word] !== 0);
  for (let probe = 0; probe < 2; probe++) {
    const end = quickjs.allocate(PROBE_BYTES) + PROBE_BYTES;
    const words = new Uint32Array(quickjs.memory.buffer, 0, SEARCHED_BYTES / 4);
    candidates = candidates.filter((word) => {
      const value = words[word] ?? 0;
      return value >= end && value <= end + 2 * PROBE_BYTES && value !== initial[word];
    });
  }
  const [breakWord] = candidates;
  const heapBase = breakWord === undefined ? 0 : (initial[breakWord] ?? 0);
  if (breakWord === undefined || candidates.length !== 1 || heapBase <= STACK_BYTES) {
    throw new Error('the script engine’s build has changed: its memory layout was not recognized');
  }
  return { stackLow: heapBase - STACK_BYTES, heapBase, breakWord };
}

/** The used part of a QuickJS memory, taken at rest. All handles that existed then are valid after `restore`. */
export class Snapshot {
  readonly #static: Uint8Array;
  readonly #heap: Uint8Array;
  readonly #layout: MemoryLayout;

  private constructor(staticData: Uint8Array, heap: Uint8Array, layout: MemoryLayout) {
    this.#static = staticData;
    this.#heap = heap;
    this.#layout = layout;
  }

  static take(quickjs: QuickJs, layout: MemoryLayout): Snapshot {
    const bytes = quickjs.bytes();
    let end = currentBreak(bytes, layout);
    while (end > layout.heapBase && bytes[end - 1] === 0) end--;
    return new Snapshot(bytes.slice(0, layout.stackLow), bytes.slice(layout.heapBase, end), layout);
  }

  get byteLength(): number {
    return this.#static.byteLength + this.#heap.byteLength;
  }

  /** Puts the memory back: the used part is copied, and all that was used since beyond it is zeroed. */
  restore(quickjs: QuickJs): void {
    const bytes = quickjs.bytes();
    const end = this.#layout.heapBase + this.#heap.byteLength;
    bytes.fill(0, end, currentBreak(bytes, this.#layout));
    bytes.set(this.#static, 0);
    bytes.set(this.#heap, this.#layout.heapBase);
  }
}

function currentBreak(bytes: Uint8Array, layout: MemoryLayout): number {
  return new Uint32Array(bytes.buffer, layout.breakWord * 4, 1)[0] ?? 0;
}
