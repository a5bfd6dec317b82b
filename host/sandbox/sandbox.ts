import { GtpackError, type Problem } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import { CellHosts, type HostDeath } from './cell-hosts.ts';
import { judge } from './host-death.ts';
import { LiveCell, type Placement, type Tenant, type TenantCode } from './live-cell.ts';
import { endedError, guiltyError, lostError, openError } from './loss-error.ts';
import { Probation } from './probation.ts';
import type {
  CellHostMessage,
  CellLoss,
  CellReport,
  Effect,
  EffectAnswer,
  HttpAnswer,
  Job,
  JobResult,
  RunJournal,
} from './protocol.ts';
import { OPENING_JOB } from './watch.ts';

export type { Isolation, TenantCode } from './live-cell.ts';

export interface SandboxOptions {
  readonly maxLiveCells: number;
  readonly maxCellsPerHost: number;
  /** Calls of one tenant that may wait or run at a time. */
  readonly maxQueuedCalls: number;
  /** Performs an effect; resolves with a typed answer, never rejects. The signal aborts when the cell is gone. */
  readonly onEffect: (tenant: TenantId, effect: Effect, signal: AbortSignal) => Promise<EffectAnswer>;
  /** Stores what a run did before it goes on; resolves with a typed answer, never rejects. */
  readonly onRecord: (tenant: TenantId, journal: RunJournal) => Promise<EffectAnswer>;
  readonly onRespond: (tenant: TenantId, eventId: string, answer: HttpAnswer) => void;
  readonly onLog: (tenant: TenantId, log: Extract<CellReport, { kind: 'log' }>) => void;
  /** Flows of a cell that opened which cannot run. */
  readonly onFlowProblems: (tenant: TenantId, problems: readonly Problem[]) => void;
  readonly onCellLost: (tenant: TenantId, loss: CellLoss) => void;
  /** Milliseconds of a clock that only goes forward. Default `performance.now`. */
  readonly monotonicMs?: () => number;
}

/** Ids of jobs wrap here; see watch.ts. */
const MAX_JOB_ID = 2 ** 30;

/**
 * The main process's side of all cells: opens a tenant's cell when it has work, sends it jobs, settles them, and ends the
 * cells that were used least recently when too many live.
 */
export class Sandbox {
  readonly #options: SandboxOptions;
  readonly #tenants = new Map<TenantId, Tenant>();
  /** In the order of their last use, oldest first. */
  readonly #cells = new Map<number, LiveCell>();
  readonly #hosts: CellHosts;
  readonly #probation: Probation;
  #nextCell = 1;
  #nextJob = 1;
  #stopped = false;

  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#hosts = new CellHosts({
      maxCellsPerHost: options.maxCellsPerHost,
      onBatch: (batch) => this.#receive(batch),
      onLost: (death) => this.#hostLost(death),
    });
    this.#probation = new Probation(options.monotonicMs ?? (() => performance.now()));
  }

  /** Tells the sandbox a tenant's code. Costs nothing until its first job. */
  register(id: TenantId, code: TenantCode): void {
    this.#tenants.set(id, { id, code, cell: undefined });
  }

  /**
   * Opens a tenant's cell ahead of its first job.
   * @returns what is wrong with its flows; those fail their runs, the others work
   * @throws GtpackError `plugin_invalid` where a plugin cannot start
   */
  prepare(id: TenantId): Promise<readonly Problem[]> {
    return this.#liveCell(this.#tenant(id)).opened;
  }

  /**
   * Sends a job to the tenant's cell.
   * @throws GtpackError `cell_busy` (too many calls wait), `cell_lost` and `cell_ended` (nothing is known of the job's effects),
   *   `guest_timeout` (the job's own code overran), `host_stopping`, and `plugin_invalid` where the cell cannot open
   */
  submit(id: TenantId, job: Job): Promise<JobResult> {
    const tenant = this.#tenant(id);
    const cell = this.#liveCell(tenant);
    if (cell.unanswered >= this.#options.maxQueuedCalls) {
      throw new GtpackError(
        'cell_busy',
        `${cell.unanswered} calls of tenant ${id} wait already, which is the most allowed.`,
      );
    }
    // A Map keeps the order of insertion: this cell is now the last used.
    this.#cells.delete(cell.id);
    this.#cells.set(cell.id, cell);
    const jobId = this.#nextJob;
    this.#nextJob = (this.#nextJob % MAX_JOB_ID) + 1;
    return cell.submit(jobId, job);
  }

  /** Cells and cell hosts that live now. */
  counts(): { readonly cells: number; readonly hosts: number } {
    return { cells: this.#cells.size, hosts: this.#hosts.size };
  }

  /** Process ids of the cell hosts. */
  hostPids(): number[] {
    return this.#hosts.pids();
  }

  /** Ends every cell; jobs that run are lost, as `cell_lost`. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#hosts.stop();
  }

  #tenant(id: TenantId): Tenant {
    const tenant = this.#tenants.get(id);
    if (tenant === undefined) throw new GtpackError('tenant_invalid', `There is no tenant ${id}.`);
    return tenant;
  }

  #liveCell(tenant: Tenant): LiveCell {
    if (this.#stopped) throw new GtpackError('host_stopping', 'The host is stopping.');
    const { cell } = tenant;
    if (cell?.placement === this.#placementOf(tenant)) return cell;
    // It answers what it has, and is closed then.
    tenant.cell = undefined;
    if (cell !== undefined) this.#closeIfRetired(cell);
    tenant.cell = this.#open(tenant);
    return tenant.cell;
  }

  #placementOf({ id, code }: Tenant): Placement {
    if (code.isolation === 'process') return 'alone';
    return this.#probation.isOn(id) ? 'apart' : 'shared';
  }

  #open(tenant: Tenant): LiveCell {
    if (this.#cells.size >= this.#options.maxLiveCells) this.#evict();
    const placement = this.#placementOf(tenant);
    const host = this.#hosts.withRoom(placement);
    const cell = new LiveCell({
      id: this.#nextCell,
      tenant,
      host,
      placement,
      without: new Set(),
      oneAtATime: this.#probation.isOneAtATime(tenant.id),
    });
    this.#nextCell += 1;
    this.#cells.set(cell.id, cell);
    this.#hosts.add(cell);
    for (const [digest, bytes] of tenant.code.modules) host.sendModule(digest, bytes);
    host.control({ kind: 'open', cell: cell.id, spec: tenant.code.spec });
    return cell;
  }

  /** A cell that waits for an effect has a job without an answer, and is at work. */
  #evict(): void {
    for (const cell of this.#cells.values()) {
      if (cell.unanswered > 0) continue;
      this.#close(cell);
      return;
    }
    throw new GtpackError(
      'cell_busy',
      `All ${this.#cells.size} cells are at work, which is the most that may live.`,
    );
  }

  #close(cell: LiveCell): void {
    cell.host.control({ kind: 'close', cell: cell.id });
    this.#forget(cell);
  }

  #closeIfRetired(cell: LiveCell): void {
    if (cell.tenant.cell !== cell && cell.unanswered === 0) this.#close(cell);
  }

  #receive(batch: readonly CellHostMessage[]): void {
    for (const message of batch) {
      switch (message.kind) {
        case 'heartbeat':
        case 'running':
        case 'giving_up':
          break;
        case 'cell': {
          const cell = this.#cells.get(message.cell);
          if (cell !== undefined) for (const report of message.messages) this.#hear(cell, report);
          break;
        }
        case 'cell_lost': {
          const cell = this.#cells.get(message.cell);
          if (cell !== undefined) this.#lost(cell, message.loss);
          break;
        }
        default:
          message satisfies never;
      }
    }
  }

  #hear(cell: LiveCell, report: CellReport): void {
    const tenant = cell.tenant.id;
    switch (report.kind) {
      case 'opened':
        cell.open(report.problems);
        if (report.problems.length > 0) this.#options.onFlowProblems(tenant, report.problems);
        break;
      case 'open_failed':
        this.#lost(cell, { reason: 'open_failed', detail: report.detail, job: null, source: null });
        break;
      case 'job_done':
        cell.settle(report.id, report.result);
        this.#closeIfRetired(cell);
        break;
      case 'effect':
        this.#answer(cell, report.call, this.#options.onEffect(tenant, report.effect, cell.gone.signal));
        break;
      case 'record':
        this.#answer(cell, report.call, this.#options.onRecord(tenant, report.journal));
        break;
      case 'give_up':
        cell.host.control({ kind: 'close', cell: cell.id });
        this.#lost(cell, report.loss);
        break;
      case 'respond':
        this.#options.onRespond(tenant, report.eventId, report.answer);
        break;
      case 'log':
        this.#options.onLog(tenant, report);
        break;
      default:
        report satisfies never;
    }
  }

  #answer(cell: LiveCell, call: number, pending: Promise<EffectAnswer>): void {
    void pending.then((answer) => {
      if (this.#cells.get(cell.id) === cell) cell.host.send(cell.id, { kind: 'effect_answer', call, answer });
    });
  }

  #lost(cell: LiveCell, loss: CellLoss): void {
    this.#forget(cell);
    const { tenant } = cell;
    const failed = openError(tenant.id, loss.detail);
    cell.failToOpen(failed);
    cell.abandonJobs((id) => {
      if (loss.reason === 'open_failed' || loss.job === OPENING_JOB) return failed;
      if (id === loss.job) return guiltyError(loss);
      return loss.job === null ? lostError(tenant.id, loss.detail) : endedError(tenant.id, loss.detail);
    });
    if (loss.reason !== 'stopped') this.#options.onCellLost(tenant.id, loss);
  }

  #hostLost(death: HostDeath): void {
    const { cells, detail } = death;
    // What was asked for is no loss to report; the jobs of its cells still have to be settled.
    if (this.#stopped) {
      for (const cell of cells) this.#lost(cell, { reason: 'stopped', detail, job: null, source: null });
      return;
    }
    const judgement = judge(death);
    if (judgement.kind === 'suspects')
      this.#probation.suspect(judgement.cells.map(({ tenant }) => tenant.id));
    if (judgement.kind === 'guilty')
      this.#probation.convict(judgement.cell.tenant.id, judgement.job !== null);
    for (const cell of cells) {
      this.#forget(cell);
      const { id } = cell.tenant;
      const own = judgement.kind === 'guilty' && judgement.cell === cell ? judgement : undefined;
      const loss: CellLoss = { reason: 'crash', detail, job: own?.job ?? null, source: own?.source ?? null };
      cell.failToOpen(openError(id, detail));
      // Whose doing it was known to be, or may have been with nobody else to blame: that counts as an attempt.
      cell.abandonJobs((job) =>
        own !== undefined && (own.job === null || own.job === job)
          ? lostError(id, detail)
          : endedError(id, detail),
      );
      this.#options.onCellLost(id, loss);
    }
  }

  #forget(cell: LiveCell): void {
    cell.gone.abort();
    this.#cells.delete(cell.id);
    this.#hosts.remove(cell);
    if (cell.tenant.cell === cell) cell.tenant.cell = undefined;
  }
}
