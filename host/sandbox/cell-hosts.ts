import { CellHostProcess } from './cell-host-process.ts';
import type { LiveCell, Placement } from './live-cell.ts';
import type { CellHostMessage } from './protocol.ts';
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
  readonly onBatch: (batch: readonly CellHostMessage[]) => void;
  readonly onLost: (death: HostDeath) => void;
}

interface CellHost {
  readonly placement: Placement;
  readonly cells: Set<LiveCell>;
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
    this.#hosts.get(cell.host)?.cells.add(cell);
  }

  /** A cell host without cells ends, but for one that the next tenant may share. */
  remove(cell: LiveCell): void {
    const host = this.#hosts.get(cell.host);
    if (host === undefined) return;
    host.cells.delete(cell);
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
    const child = new CellHostProcess({
      onBatch: (from, batch) => this.#receive(from, batch),
      onLost: (lost, detail) => this.#lost(lost, detail),
    });
    const host: CellHost = {
      placement,
      cells: new Set(),
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
      if (message.kind === 'running') {
        host.running = new Map(message.cells.map(({ cell, job, source }) => [cell, { job, source }]));
      }
      if (message.kind === 'giving_up') host.culprit = message.cell;
    }
    this.#options.onBatch(batch);
  }

  #lost(child: CellHostProcess, detail: string): void {
    const host = this.#hosts.get(child);
    if (host === undefined) return;
    this.#hosts.delete(child);
    const { running, culprit } = host;
    const cells = [...host.cells];
    this.#options.onLost({
      cells,
      detail,
      culprit: [...cells, ...host.left].find(({ id }) => id === culprit),
      running,
    });
  }
}
