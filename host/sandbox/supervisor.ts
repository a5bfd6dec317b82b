import { Worker } from 'node:worker_threads';
import { errorMessage } from '../errors.ts';
import { forgetMemories, memoryWord } from './host-memories.ts';
import { CellOutbox } from './outbox.ts';
import type { CellHostMessage, CellLoss, CellReport, CellSpec, CellStart, HostMessage } from './protocol.ts';
import { SupervisedCell } from './supervised-cell.ts';
import type { Owner } from './watch.ts';

const HEARTBEAT_MS = 500;
const LOOK_EVERY_MS = 25;
/**
 * A thread that is told to end does so within milliseconds, unless V8 compiles for it: that is not interrupted. Looks, not
 * a timer: on a machine that is busy this thread may come to its timers before it comes to the news.
 */
const END_WITHIN_LOOKS = 120;
const MiB = 1024 * 1024;
/** Node, the modules, and threads that are spare. */
const OWN_BYTES = 512 * MiB;
/** A cell's JavaScript heap and its scripts, besides what its instances hold and have dropped. */
const CELL_BYTES = 320 * MiB;
/** Starting a worker costs 40 ms; a tenant's first event should not wait for it. */
const SPARE_WORKERS = 1;

/**
 * Bounds of a cell's JavaScript heap. They bound neither WebAssembly memory nor WasmGC objects, and a heap that overflows
 * often takes the process along: the cell host is what contains that.
 */
const WORKER_HEAP = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };

export interface SupervisorOptions {
  /** Entry file of a cell. */
  readonly cellEntry: URL;
  readonly send: (batch: CellHostMessage[]) => void;
  /** What the process holds of the machine's memory. */
  readonly residentBytes: () => number;
  /** Ends the whole process at once. */
  readonly abandon: (reason: string) => void;
}

/** A phase of a cell: waiting for its modules to be compiled, or running. */
type Cell =
  | { readonly phase: 'opening'; readonly waiting: unknown[][] }
  | { readonly phase: 'running'; readonly supervised: SupervisedCell; readonly maxBytes: number };

/**
 * The main thread of a cell host: starts cells, passes batches both ways, watches what the cells run and ends those that
 * overrun. It runs no guest code.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #modules = new Map<string, Promise<WebAssembly.Module>>();
  readonly #memories = memoryWord();
  readonly #cells = new Map<number, Cell>();
  readonly #spares: Worker[] = [];
  /** None once the host has the only cell that it will ever have. */
  #wantedSpares = SPARE_WORKERS;
  /** Threads that were told to end, and how often they were seen alive since. */
  readonly #ending = new Map<Worker, { readonly cell: number; looks: number }>();
  /** What was reported to run, as text to compare with. */
  #running = '';
  readonly #reports: CellOutbox<CellReport>;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #looking: NodeJS.Timeout;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#reports = new CellOutbox((groups) =>
      options.send(groups.map(({ cell, messages }) => ({ kind: 'cell', cell, messages }))),
    );
    this.#heartbeat = setInterval(() => options.send([{ kind: 'heartbeat' }]), HEARTBEAT_MS);
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#fillSpares();
  }

  receive(batch: readonly HostMessage[]): void {
    for (const message of batch) {
      switch (message.kind) {
        case 'module':
          this.#addModule(message.digest, message.bytes);
          break;
        case 'forget':
          for (const digest of message.digests) this.#modules.delete(digest);
          break;
        case 'open':
          if (message.isAlone === true) this.#wantedSpares = 0;
          void this.#open(message.cell, message.spec);
          break;
        case 'cell':
          this.#pass(message.cell, message.messages);
          break;
        case 'close':
          this.#close(message.cell);
          break;
        default:
          message satisfies never;
      }
    }
  }

  /** Stops the clocks and ends every thread. */
  async stop(): Promise<void> {
    clearInterval(this.#heartbeat);
    clearInterval(this.#looking);
    const workers = [...this.#spares];
    for (const cell of this.#cells.values())
      if (cell.phase === 'running') workers.push(cell.supervised.worker);
    this.#cells.clear();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #addModule(digest: string, bytes: Uint8Array): void {
    const compiled = WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
    // Whoever opens a cell with it hears of the failure.
    compiled.catch(() => undefined);
    this.#modules.set(digest, compiled);
  }

  async #open(cell: number, spec: CellSpec): Promise<void> {
    const opening: Cell = { phase: 'opening', waiting: [] };
    this.#cells.set(cell, opening);
    const modules = await this.#modulesOf(spec);
    // Closed while its modules were compiled.
    if (this.#cells.get(cell) !== opening) return;
    const worker = this.#spares.pop() ?? this.#startWorker();
    const supervised = new SupervisedCell(worker, spec.limits, LOOK_EVERY_MS);
    // As much again as the tenant's total may be garbage.
    const maxBytes = CELL_BYTES + 2 * spec.limits.maxTenantMemoryBytes;
    this.#cells.set(cell, { phase: 'running', supervised, maxBytes });
    worker.removeAllListeners();
    worker.on('message', (reports: CellReport[]) => {
      // Now that the cell works: starting a thread beside it would slow its opening.
      this.#fillSpares();
      this.#reports.push(cell, reports);
    });
    worker.on('error', (error) => this.#crashed(cell, supervised, errorMessage(error)));
    const memories = { total: this.#memories, own: memoryWord() };
    worker.on('exit', (code) => {
      forgetMemories(memories);
      this.#crashed(cell, supervised, `The cell's thread ended with ${code}.`);
    });
    worker.postMessage({ spec, ...modules, watch: supervised.watch, memories } satisfies CellStart);
    for (const messages of opening.waiting) worker.postMessage(messages);
  }

  /** Of one that cannot be compiled, whoever needs it says so, and the rest of the cell works. */
  async #modulesOf(spec: CellSpec): Promise<Pick<CellStart, 'modules' | 'faults'>> {
    const digests = new Set(spec.programModules);
    for (const { plugin } of spec.providers) {
      const own = plugin.kind === 'assemblyscript' ? [plugin.module] : Object.values(plugin.modules);
      for (const digest of own) digests.add(digest);
    }
    const modules = new Map<string, WebAssembly.Module>();
    const faults = new Map<string, string>();
    for (const digest of digests) {
      try {
        const module = await this.#modules.get(digest);
        if (module !== undefined) modules.set(digest, module);
      } catch (error) {
        faults.set(digest, errorMessage(error));
      }
    }
    return { modules, faults };
  }

  #pass(id: number, messages: unknown[]): void {
    const cell = this.#cells.get(id);
    // A cell that was lost meanwhile: the main process has been told, or is about to be.
    if (cell === undefined) return;
    if (cell.phase === 'opening') cell.waiting.push(messages);
    else cell.supervised.worker.postMessage(messages);
  }

  #close(id: number): void {
    const cell = this.#cells.get(id);
    this.#cells.delete(id);
    if (cell?.phase === 'running') this.#end(id, cell.supervised.worker);
  }

  #look(): void {
    this.#boundMemory();
    this.#awaitEnds();
    for (const [id, cell] of this.#cells) {
      if (cell.phase !== 'running') continue;
      void cell.supervised.look().then((verdict) => {
        if (verdict.kind === 'fine' || this.#cells.get(id) !== cell) return;
        this.#lose(id, { reason: 'overrun', detail: verdict.detail, ...verdict.owner });
        this.#end(id, cell.supervised.worker);
      });
    }
    this.#reportRunning((supervised) => supervised.pauseless);
  }

  /** Dies this process, the main process knows no more than this. */
  #reportRunning(ownerOf: (cell: SupervisedCell) => Owner | undefined): void {
    const cells = [];
    for (const [cell, state] of this.#cells) {
      const owner = state.phase === 'running' ? ownerOf(state.supervised) : undefined;
      if (owner !== undefined) cells.push({ cell, job: owner.job, source: owner.source });
    }
    const text = cells.map(({ cell, job, source }) => `${cell} ${job} ${source}`).join('\n');
    if (text === this.#running) return;
    this.#running = text;
    this.#options.send([{ kind: 'running', cells }]);
  }

  /**
   * What V8 holds for itself, nothing else bounds: its compiler took 12 GiB for a function of 700 KB (40,000 locals at
   * 100,000 labels), before its first instruction ran.
   */
  #boundMemory(): void {
    let most = OWN_BYTES;
    for (const cell of this.#cells.values()) if (cell.phase === 'running') most += cell.maxBytes;
    if (this.#options.residentBytes() > most) {
      this.#reportRunning(({ running }) => running);
      this.#options.abandon(`The cell host held more than ${most / MiB} MiB of memory.`);
    }
  }

  /** Ends a cell's thread, or, where it does not end, all of them: nothing bounds what it goes on to use. */
  #end(cell: number, worker: Worker): void {
    this.#ending.set(worker, { cell, looks: 0 });
    void worker.terminate().finally(() => this.#ending.delete(worker));
  }

  #awaitEnds(): void {
    for (const ending of this.#ending.values()) {
      ending.looks += 1;
      if (ending.looks <= END_WITHIN_LOOKS) continue;
      this.#options.send([{ kind: 'giving_up', cell: ending.cell }]);
      this.#options.abandon(`A thread did not end within ${END_WITHIN_LOOKS * LOOK_EVERY_MS} ms.`);
    }
  }

  #crashed(id: number, supervised: SupervisedCell, detail: string): void {
    const cell = this.#cells.get(id);
    if (cell?.phase !== 'running' || cell.supervised !== supervised) return;
    const { job = null, source = null } = supervised.running ?? {};
    this.#lose(id, { reason: 'crash', detail, job, source });
  }

  #lose(cell: number, loss: CellLoss): void {
    this.#cells.delete(cell);
    // What the cell reported before it was lost goes first.
    this.#reports.flush();
    this.#options.send([{ kind: 'cell_lost', cell, loss }]);
  }

  #fillSpares(): void {
    while (this.#spares.length < this.#wantedSpares) this.#spares.push(this.#startWorker());
  }

  #startWorker(): Worker {
    const worker = new Worker(this.#options.cellEntry, {
      env: {},
      stdin: false,
      // Captured and never read: a thread has nothing to say but through its port.
      stdout: true,
      stderr: true,
      resourceLimits: WORKER_HEAP,
    });
    worker.once('exit', () => {
      const at = this.#spares.indexOf(worker);
      if (at !== -1) this.#spares.splice(at, 1);
    });
    worker.on('error', () => undefined);
    return worker;
  }
}
