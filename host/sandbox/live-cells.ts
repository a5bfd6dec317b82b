import type { CellHosts } from './cell-hosts.ts';
import type { LiveCell } from './live-cell.ts';

/**
 * The cells that live, at most so many: the idle one that was used least recently gives way. Where all are at work, those
 * that live longest are told to (waiting-line.ts).
 */
export class LiveCells {
  readonly #max: number;
  readonly #hosts: CellHosts;
  /** In the order of their last use, oldest first. */
  readonly #cells = new Map<number, LiveCell>();

  constructor(max: number, hosts: CellHosts) {
    this.#max = max;
    this.#hosts = hosts;
  }

  get size(): number {
    return this.#cells.size;
  }

  get(id: number): LiveCell | undefined {
    return this.#cells.get(id);
  }

  values(): IterableIterator<LiveCell> {
    return this.#cells.values();
  }

  add(cell: LiveCell): void {
    this.#cells.set(cell.id, cell);
    this.#hosts.add(cell);
  }

  /** It is now the last used. */
  use(cell: LiveCell): void {
    // A Map keeps the order of insertion.
    this.#cells.delete(cell.id);
    this.#cells.set(cell.id, cell);
  }

  /**
   * Lets one more live. A cell whose call waits for an effect has a job without an answer: it is at work, and stays.
   * @returns false where all are at work
   */
  makeRoom(): boolean {
    if (this.#cells.size < this.#max) return true;
    for (const cell of this.#cells.values()) {
      if (!cell.isIdle) continue;
      this.close(cell);
      return true;
    }
    return false;
  }

  /**
   * Has so many make room once they have answered what they have, those that already do so included: those that live
   * longest first. What their tenants ask for meanwhile waits as that of others does.
   */
  retire(count: number): void {
    let left = count;
    for (const cell of this.#cells.values()) if (cell.tenant.cell !== cell) left -= 1;
    const oldest = [...this.#cells.values()].sort((a, b) => a.id - b.id);
    for (const cell of oldest) {
      if (left <= 0) return;
      // One that opens has nothing to answer yet, and gives way by itself.
      if (cell.tenant.cell !== cell || cell.unanswered === 0) continue;
      cell.tenant.cell = undefined;
      left -= 1;
    }
  }

  close(cell: LiveCell): void {
    cell.host.control({ kind: 'close', cell: cell.id });
    this.forget(cell);
  }

  /** Of a tenant that has another cell by now: once it has answered what it had. */
  closeIfRetired(cell: LiveCell): void {
    if (cell.tenant.cell !== cell && cell.unanswered === 0) this.close(cell);
  }

  forget(cell: LiveCell): void {
    cell.gone.abort();
    if (this.#cells.delete(cell.id)) cell.host.release(cell.tenant.code.modules);
    this.#hosts.remove(cell);
    if (cell.tenant.cell === cell) cell.tenant.cell = undefined;
  }
}
