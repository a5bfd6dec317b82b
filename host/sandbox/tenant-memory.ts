import type { HostMemories } from './host-memories.ts';
import type { InstancePool } from './instance-pool.ts';

/** Past this share of the total the cell is ended: something grew while it was suspended or served. */
const HARD_SHARE = 1.25;

/**
 * What the guests of one tenant hold together, counted from the actual sizes of their memories at every call boundary and
 * host call: nothing intercepts `memory.grow`. Past the total no instance is added and idle ones go.
 *
 * What was given up counts until it is collected: WebAssembly memory does not press V8 to do so by itself (seen: 64 MiB
 * more with every call, without end).
 */
export class TenantMemory {
  readonly #maxBytes: number;
  readonly #collectGarbage: () => void;
  readonly #pools = new Set<InstancePool>();
  readonly #memories: HostMemories;
  #droppedBytes = 0;
  #droppedMemories = 0;

  constructor(maxBytes: number, memories: HostMemories, collectGarbage: () => void) {
    this.#maxBytes = maxBytes;
    this.#memories = memories;
    this.#collectGarbage = collectGarbage;
  }

  add(pool: InstancePool): void {
    this.#pools.add(pool);
  }

  /** An instance was made. */
  made(memories: number): void {
    this.#memories.add(memories);
  }

  /** An instance of this size was given up. */
  dropped(bytes: number, memories: number): void {
    this.#droppedBytes += bytes;
    this.#droppedMemories += memories;
  }

  /** Whether the process has room for a provider's first instance. */
  hasFirst(): boolean {
    return this.#memories.hasAny() || (this.#collect() && this.#memories.hasAny());
  }

  /** Whether it has room for one more of this size beside others. */
  hasAnother(bytes: number): boolean {
    if (!this.hasRoomFor(bytes)) return false;
    return this.#memories.hasShare() || (this.#collect() && this.#memories.hasShare());
  }

  hasRoomFor(bytes: number): boolean {
    return this.#held() + bytes <= this.#maxBytes;
  }

  /** Past the total, idle instances go, those of the largest pool first, and what was given up is collected. */
  settle(): void {
    if (this.#held() > this.#maxBytes) {
      const largestFirst = [...this.#pools].sort((a, b) => b.memoryBytes() - a.memoryBytes());
      for (const pool of largestFirst) {
        pool.dropIdle();
        if (this.#held() <= this.#maxBytes) break;
      }
    }
    if (this.#held() + this.#droppedBytes <= this.#maxBytes) return;
    this.#collect();
  }

  /** Why the cell has to end, if it has to. */
  excess(): string | undefined {
    const held = this.#held();
    if (held <= this.#maxBytes * HARD_SHARE) return undefined;
    return `The tenant's guests hold ${held} bytes of memory; ${this.#maxBytes} are allowed.`;
  }

  /** @returns whether there was anything to collect */
  #collect(): boolean {
    if (this.#droppedBytes === 0 && this.#droppedMemories === 0) return false;
    this.#collectGarbage();
    this.#memories.remove(this.#droppedMemories);
    this.#droppedBytes = 0;
    this.#droppedMemories = 0;
    return true;
  }

  #held(): number {
    let total = 0;
    for (const pool of this.#pools) total += pool.memoryBytes();
    return total;
  }
}
