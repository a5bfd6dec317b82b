import { GtpackError, type Problem } from '../errors.ts';
import { quoted, type TenantId } from '../event/names.ts';
import type { CellHostProcess } from './cell-host-process.ts';
import { knownCode } from './loss-error.ts';
import type { CellSpec, Job, JobResult, SourceUsage } from './protocol.ts';

/** Whose cells share a cell host: up to 32 tenants, or none. */
export type Isolation = 'shared' | 'process';

/** A tenant's code: what its cell is opened with, and the bytes of the modules that the spec names. */
export interface TenantCode {
  readonly spec: CellSpec;
  readonly modules: ReadonlyMap<string, Uint8Array>;
  /** Default `shared`. */
  readonly isolation?: Isolation;
  /** Calls that may wait or run at a time. Default: as for every tenant. */
  readonly maxQueuedCalls?: number;
}

/** Where a cell stands: among others, alone for good, or apart while it is suspected; see probation.ts. */
export type Placement = 'shared' | 'alone' | 'apart';

export interface PendingJob {
  /** The provider that is called, or null: a run says itself what it runs. */
  readonly provider: string | null;
  /** Ids of the runs that it is to make. */
  readonly runs: readonly string[];
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: GtpackError) => void;
}

/** A tenant without a live cell costs no thread. */
export interface Tenant {
  readonly id: TenantId;
  readonly code: TenantCode;
  cell: LiveCell | undefined;
}

export interface CellPlace {
  readonly id: number;
  readonly tenant: Tenant;
  readonly host: CellHostProcess;
  readonly placement: Placement;
  /** Providers and flows that it was opened without. */
  readonly without: ReadonlySet<string>;
  /** Whether it gets the next job only when it has answered the one before. */
  readonly oneAtATime: boolean;
}

/** A cell as the main process sees it. */
export class LiveCell {
  readonly id: number;
  readonly tenant: Tenant;
  readonly host: CellHostProcess;
  readonly placement: Placement;
  readonly without: ReadonlySet<string>;
  readonly oneAtATime: boolean;
  /** What its code holds, as it last said. */
  usage: readonly SourceUsage[] = [];
  /** Aborts when the cell is gone. */
  readonly gone = new AbortController();
  readonly #opened = Promise.withResolvers<readonly Problem[]>();
  #isOpen = false;
  /** Somebody waits for it to open. It may answer a job before. */
  #isAwaited = false;
  readonly #jobs = new Map<number, PendingJob>();
  /** Of the jobs, and in how many of them each is. */
  readonly #runs = new Map<string, number>();
  /** Jobs that were not sent yet. */
  readonly #waiting: { readonly id: number; readonly job: Job }[] = [];

  constructor(place: CellPlace) {
    this.id = place.id;
    this.tenant = place.tenant;
    this.host = place.host;
    this.placement = place.placement;
    this.without = place.without;
    this.oneAtATime = place.oneAtATime;
    // Whoever asked for it hears of it.
    this.#opened.promise.catch(() => undefined);
  }

  /** Resolves when it works, with what is wrong with its flows. @throws GtpackError of what keeps it from opening */
  whenOpened(): Promise<readonly Problem[]> {
    this.#isAwaited = true;
    return this.#opened.promise;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(problems: readonly Problem[]): void {
    this.#isOpen = true;
    this.#opened.resolve(problems);
  }

  failToOpen(error: GtpackError): void {
    this.#opened.reject(error);
  }

  /** Jobs that have no answer yet: a cell with any, suspended ones too, is at work. */
  get unanswered(): number {
    return this.#jobs.size;
  }

  /** Nobody waits for an answer of it, nor for it to open. */
  get isIdle(): boolean {
    return this.#jobs.size === 0 && (this.#isOpen || !this.#isAwaited);
  }

  /** Of the unanswered jobs, those that the cell was sent: what it may be running. */
  sentJobs(): number[] {
    const waiting = new Set(this.#waiting.map(({ id }) => id));
    return [...this.#jobs.keys()].filter((id) => !waiting.has(id));
  }

  /** Which provider a job calls. */
  providerOf(job: number): string | null {
    return this.#jobs.get(job)?.provider ?? null;
  }

  /**
   * Why it may not write into the journal of this run: a cell does so for the runs that it was given and has not answered.
   * Its own code names no other; code that broke out into the cell's JavaScript may.
   */
  refusalOf(runId: string): string | undefined {
    return this.#runs.has(runId) ? undefined : `The run ${quoted(runId)} is not under way in this cell.`;
  }

  submit(id: number, job: Job): Promise<JobResult> {
    const whose =
      job.kind === 'run'
        ? { provider: null, runs: job.runs.map(({ runId }) => runId) }
        : { provider: job.provider, runs: [] };
    return new Promise((resolve, reject) => {
      this.#jobs.set(id, { ...whose, resolve, reject });
      for (const run of whose.runs) this.#runs.set(run, (this.#runs.get(run) ?? 0) + 1);
      if (this.oneAtATime && this.#jobs.size > 1) this.#waiting.push({ id, job });
      else this.host.send(this.id, { kind: 'job', id, job });
    });
  }

  settle(id: number, result: JobResult): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    for (const run of job.runs) this.#forgetRun(run);
    if (result.kind === 'error') job.reject(new GtpackError(knownCode(result.code), result.message));
    else job.resolve(result);
    const next = this.#waiting.shift();
    if (next !== undefined) this.host.send(this.id, { kind: 'job', ...next });
  }

  #forgetRun(run: string): void {
    const others = (this.#runs.get(run) ?? 1) - 1;
    if (others === 0) this.#runs.delete(run);
    else this.#runs.set(run, others);
  }

  /** Nothing comes of its jobs any more. */
  abandonJobs(errorOf: (job: number, pending: PendingJob) => GtpackError): void {
    const jobs = [...this.#jobs];
    this.#jobs.clear();
    this.#runs.clear();
    for (const [id, pending] of jobs) pending.reject(errorOf(id, pending));
  }
}
