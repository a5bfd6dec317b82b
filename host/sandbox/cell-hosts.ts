import { CellHostProcess } from './cell-host-process.ts';
import type { LiveCell } from './live-cell.ts';
import type { CellHostMessage } from './protocol.ts';

export interface CellHostsOptions {
  readonly maxCellsPerHost: number;
  readonly onBatch: (batch: readonly CellHostMessage[]) => void;
  /** The process is gone; these were its cells. */
  readonly onLost: (cells: readonly LiveCell[], detail: string) => void;
}

/** The cell hosts that live, and which cells each of them holds. */
export class CellHosts {
  readonly #options: CellHostsOptions;
  readonly #hosts = new Map<CellHostProcess, Set<LiveCell>>();

  constructor(options: CellHostsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#hosts.size;
  }

  pids(): number[] {
    return [...this.#hosts.keys()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** A cell host that takes one more cell; a new one where none does. */
  withRoom(): CellHostProcess {
    for (const [host, cells] of this.#hosts) if (cells.size < this.#options.maxCellsPerHost) return host;
    const host = new CellHostProcess({
      onBatch: (_, batch) => this.#options.onBatch(batch),
      onLost: (lost, detail) => this.#lost(lost, detail),
    });
    this.#hosts.set(host, new Set());
    return host;
  }

  add(cell: LiveCell): void {
    this.#hosts.get(cell.host)?.add(cell);
  }

  remove(cell: LiveCell): void {
    this.#hosts.get(cell.host)?.delete(cell);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#hosts.keys()].map((host) => host.stop()));
  }

  #lost(host: CellHostProcess, detail: string): void {
    const cells = this.#hosts.get(host) ?? new Set();
    this.#hosts.delete(host);
    this.#options.onLost([...cells], detail);
  }
}
