import type { Worker } from 'node:worker_threads';
import type { CellLimits } from './protocol.ts';
import { type Owner, Watch } from './watch.ts';

/** What the supervisor found out about a stretch that it saw running at two looks or more. */
interface Suspect {
  readonly stretch: number;
  /** Looks since the first one that saw it. */
  looks: number;
  /** CPU time of the thread at the first look, in microseconds. */
  readonly cpuAtStart: Promise<number>;
}

export type Verdict =
  | { readonly kind: 'fine' }
  | { readonly kind: 'overrun'; readonly owner: Owner; readonly detail: string };

const FINE: Verdict = { kind: 'fine' };

/** A cell as its supervisor sees it: a thread and the memory in which it tells what it runs. */
export class SupervisedCell {
  readonly worker: Worker;
  readonly watch: SharedArrayBuffer;
  readonly #watch: Watch;
  readonly #limits: CellLimits;
  readonly #lookEveryMs: number;
  #suspect: Suspect | undefined;

  constructor(worker: Worker, limits: CellLimits, lookEveryMs: number) {
    this.worker = worker;
    this.watch = Watch.allocate();
    this.#watch = new Watch(this.watch);
    this.#limits = limits;
    this.#lookEveryMs = lookEveryMs;
  }

  /** Whose code ran at the last look and the one before, without a pause between them. */
  get pauseless(): Owner | undefined {
    const running = this.#watch.look();
    return this.#suspect !== undefined &&
      this.#suspect.looks > 0 &&
      running?.stretch === this.#suspect.stretch
      ? running
      : undefined;
  }

  /** Whose code is running now. */
  get running(): Owner | undefined {
    return this.#watch.look();
  }

  /**
   * Looks at the cell once. CPU time decides, measured by the thread's own clock: on a busy machine an innocent stretch
   * may take long by the wall. The wall decides only at `callWallMs`, for code that burns no CPU time and for a thread
   * whose clock does not answer.
   */
  async look(): Promise<Verdict> {
    const running = this.#watch.look();
    if (running === undefined) {
      this.#suspect = undefined;
      return FINE;
    }
    if (this.#suspect?.stretch !== running.stretch) {
      this.#suspect = { stretch: running.stretch, looks: 0, cpuAtStart: cpuMicroseconds(this.worker) };
      return FINE;
    }
    const suspect = this.#suspect;
    suspect.looks += 1;
    const wallMs = suspect.looks * this.#lookEveryMs;
    if (wallMs >= this.#limits.callWallMs) return this.#overrun(running, `${this.#limits.callWallMs} ms`);
    if (wallMs < this.#limits.cpuSliceMs) return FINE;
    const usedMs = ((await cpuMicroseconds(this.worker)) - (await suspect.cpuAtStart)) / 1000;
    const stillThere = this.#watch.look()?.stretch === suspect.stretch;
    return stillThere && usedMs >= this.#limits.cpuSliceMs
      ? this.#overrun(running, `${this.#limits.cpuSliceMs} ms of CPU time`)
      : FINE;
  }

  #overrun({ job, source }: Owner, bound: string): Verdict {
    return {
      kind: 'overrun',
      owner: { job, source },
      detail: `The call ran longer than ${bound} without a pause.`,
    };
  }
}

async function cpuMicroseconds(worker: Worker): Promise<number> {
  try {
    const { user, system } = await worker.cpuUsage();
    return user + system;
  } catch {
    // The thread is ending.
    return 0;
  }
}
