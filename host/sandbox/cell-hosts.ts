import { CellHostProcess, type StartCellHost } from './cell-host-process.ts';
import type { LiveCell, Placement } from './live-cell.ts';
import type { CellHostMessage, CellLoss, CellReport } from './protocol.ts';
import type { Owner } from './watch.ts';

/** A cell host that is gone, and what is known of its end. */
export interface HostDeath {
  readonly cells: readonly LiveCell[];
  readonly detail: string;
  /** The cell that the supervisor gave up the process for, lost already or not. */
  readonly culprit: LiveCell | undefined;
  /** What ran without a pause when the supervisor last looked, by cell. */
  readonly running: ReadonlyMap<number, Owner>;
}

export interface CellHostsOptions {
  readonly maxCellsPerHost: number;
  readonly start?: StartCellHost | undefined;
  readonly onReport: (cell: LiveCell, report: CellReport) => void;
  readonly onCellLost: (cell: LiveCell, loss: CellLoss) => void;
  readonly onLost: (death: HostDeath) => void;
}

interface CellHost {
  readonly placement: Placement;
  readonly cells: Map<number, LiveCell>;
  /** Cells that were lost or closed lately, the newest last: a thread of theirs may be ending still. */
  readonly left: LiveCell[];
  running: ReadonlyMap<number, Owner>;
  culprit: number | undefined;
}

/** Cells apart that have a cell host of their own; past that, suspects share with suspects. */
const MAX_HOSTS_APART = 8;
const MAX_LEFT = 64;

/** The cell hosts that live, and which cells each of them holds. */
export class CellHosts {
  readonly #options: CellHostsOptions;
  readonly #hosts = new Map<CellHostProcess, CellHost>();
  readonly #ending = new Set<Promise<void>>();

  constructor(options: CellHostsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#hosts.size;
  }

  pids(): number[] {
    return [...this.#hosts.keys()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** A cell host that takes one more cell of this kind; a new one where none does. One that stands alone is always new. */
  withRoom(placement: Placement): CellHostProcess {
    const candidates = [...this.#hosts].filter(
      ([, host]) =>
        placement !== 'alone' &&
        host.placement === placement &&
        host.cells.size < this.#options.maxCellsPerHost,
    );
    if (placement === 'apart') {
      if (candidates.length < MAX_HOSTS_APART) return this.#start(placement);
      candidates.sort(([, a], [, b]) => a.cells.size - b.cells.size);
    }
    return candidates[0]?.[0] ?? this.#start(placement);
  }

  add(cell: LiveCell): void {
    this.#hosts.get(cell.host)?.cells.set(cell.id, cell);
  }

  /** A cell host without cells ends, but for one that the next tenant may share. */
  remove(cell: LiveCell): void {
    const host = this.#hosts.get(cell.host);
    if (host === undefined) return;
    host.cells.delete(cell.id);
    host.left.push(cell);
    if (host.left.length > MAX_LEFT) host.left.shift();
    if (host.cells.size > 0) return;
    const isLastShared =
      host.placement === 'shared' &&
      [...this.#hosts.values()].every((other) => other === host || other.placement !== 'shared');
    if (!isLastShared) this.#end(cell.host);
  }

  async stop(): Promise<void> {
    const stopping = [...this.#hosts.keys()].map((host) => host.stop());
    await Promise.all([...stopping, ...this.#ending]);
  }

  #start(placement: Placement): CellHostProcess {
    const child = new CellHostProcess(
      {
        onBatch: (from, batch) => this.#receive(from, batch),
        onLost: (lost, detail) => this.#lost(lost, detail),
      },
      this.#options.start,
    );
    const host: CellHost = {
      placement,
      cells: new Map(),
      left: [],
      running: new Map(),
      culprit: undefined,
    };
    this.#hosts.set(child, host);
    return child;
  }

  #end(child: CellHostProcess): void {
    this.#hosts.delete(child);
    const ended = child.stop().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #receive(from: CellHostProcess, batch: readonly CellHostMessage[]): void {
    const host = this.#hosts.get(from);
    if (host === undefined) return;
    for (const message of batch) {
      switch (message.kind) {
        case 'heartbeat':
          break;
        case 'running':
          host.running = new Map(message.cells.map(({ cell, job, source }) => [cell, { job, source }]));
          break;
        case 'giving_up':
          host.culprit = message.cell;
          break;
        case 'cell':
          for (const report of message.messages) {
            // A report may end the cell that made it. Cells of other cell hosts are none of this one's business.
            const cell = host.cells.get(message.cell);
            if (cell !== undefined) this.#options.onReport(cell, report);
          }
          break;
        case 'cell_lost': {
          const cell = host.cells.get(message.cell);
          if (cell !== undefined) this.#options.onCellLost(cell, message.loss);
          break;
        }
        default:
          message satisfies never;
      }
    }
  }

  #lost(child: CellHostProcess, detail: string): void {
    const host = this.#hosts.get(child);
    if (host === undefined) return;
    this.#hosts.delete(child);
    const { running, culprit } = host;
    const cells = [...host.cells.values()];
    this.#options.onLost({
      cells,
      detail,
      culprit: [...cells, ...host.left].find(({ id }) => id === culprit),
      running,
    });
  }
}
