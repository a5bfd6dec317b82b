import { GtpackError, type Problem } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import { CellHosts, type HostDeath } from './cell-hosts.ts';
import { judge } from './host-death.ts';
import { LiveCell, type Placement, type Tenant, type TenantCode } from './live-cell.ts';
import { LiveCells } from './live-cells.ts';
import { endedError, errorAfter, lostError, notOpen, openError, UNSTARTED } from './loss-error.ts';
import { Probation } from './probation.ts';
import type {
  CellLoss,
  CellReport,
  EffectAnswer,
  Job,
  JobResult,
  RunJournal,
  SourceUsage,
} from './protocol.ts';
import { divide, putOffOutcome, Quarantine, type RunJob, withPutOff } from './quarantine.ts';
import { DEFAULT_QUARANTINE, type SandboxOptions } from './sandbox-options.ts';
import { DEFAULT_LINE, WaitingLine } from './waiting-line.ts';
import { OPENING_JOB } from './watch.ts';

export type { Isolation, TenantCode } from './live-cell.ts';

export type { SandboxOptions } from './sandbox-options.ts';

/** Ids of jobs wrap here; see watch.ts. */
const MAX_JOB_ID = 2 ** 30;

/**
 * The main process's side of all cells: opens a tenant's cell when it has work, sends it jobs, settles them, and ends the
 * cells that were used least recently when too many live.
 */
export class Sandbox {
  readonly #options: SandboxOptions;
  readonly #tenants = new Map<TenantId, Tenant>();
  readonly #hosts: CellHosts;
  readonly #cells: LiveCells;
  readonly #probation: Probation;
  readonly #line: WaitingLine;
  /** To be read and released from by the operator. */
  readonly quarantine: Quarantine;
  #nextCell = 1;
  #nextJob = 1;
  #stopped = false;

  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#hosts = new CellHosts({
      maxCellsPerHost: options.maxCellsPerHost,
      start: options.startCellHost,
      onReport: (cell, report) => this.#hear(cell, report),
      onCellLost: (cell, loss) => this.#lost(cell, loss),
      onLost: (death) => this.#hostLost(death),
    });
    this.#cells = new LiveCells(options.maxLiveCells, this.#hosts);
    const now = options.monotonicMs ?? (() => performance.now());
    this.#probation = new Probation(now);
    this.quarantine = new Quarantine(options.quarantine ?? DEFAULT_QUARANTINE, now);
    this.#line = new WaitingLine(options.line ?? DEFAULT_LINE, () => this.#cells.retire(this.#line.overdue));
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
    return this.#inCell(
      id,
      false,
      (cell) => cell.whenOpened(),
      () => this.prepare(id),
    );
  }

  /**
   * Sends a job to the tenant's cell.
   * @throws GtpackError `cell_busy` (too many calls wait, or all cells are at work for too long), `plugin_quarantined`, `cell_lost` and `cell_ended` (nothing is
   *   known of the job's effects), `guest_timeout` (the job's own code overran), `host_stopping`, and `plugin_invalid` where
   *   the cell or the provider cannot open
   */
  submit(id: TenantId, job: Job): Promise<JobResult> {
    const held = this.quarantine.heldOf(id);
    if (held.size > 0) {
      if (job.kind === 'run') return this.#submitFree(id, job, held);
      if (held.has(job.provider)) throw this.quarantine.refusal(id, job.provider);
    }
    return this.#submit(id, job);
  }

  /** The runs of flows that are held are put off, the others run. */
  #submitFree(id: TenantId, job: RunJob, held: ReadonlySet<string>): Promise<JobResult> {
    const { free, putOff } = divide(job.runs, held);
    if (putOff.length === 0) return this.#submit(id, job);
    const outcomes = putOff.map((order) =>
      putOffOutcome(order, this.quarantine.refusal(id, `flow:${order.flow}`)),
    );
    if (free.length === 0) return Promise.resolve({ kind: 'runs', runs: outcomes });
    return this.#submit(id, { ...job, runs: free }).then((result) => withPutOff(result, outcomes));
  }

  #submit(id: TenantId, job: Job): Promise<JobResult> {
    const isKept = job.kind === 'run';
    return this.#inCell(
      id,
      isKept,
      (cell) => this.#send(cell, job),
      () => this.submit(id, job),
    );
  }

  #send(cell: LiveCell, job: Job): Promise<JobResult> {
    const { tenant } = cell;
    if (cell.unanswered >= (tenant.code.maxQueuedCalls ?? this.#options.maxQueuedCalls)) {
      throw new GtpackError(
        'cell_busy',
        `${cell.unanswered} calls of tenant ${tenant.id} wait already, which is the most allowed.`,
      );
    }
    this.#cells.use(cell);
    const jobId = this.#nextJob;
    this.#nextJob = (this.#nextJob % MAX_JOB_ID) + 1;
    return cell.submit(jobId, job);
  }

  /** Cells and cell hosts that live now. */
  counts(): { readonly cells: number; readonly hosts: number } {
    return { cells: this.#cells.size, hosts: this.#hosts.size };
  }

  /** What the instances of each provider of each live cell hold, as the cell last said. */
  usage(): ({ readonly tenant: TenantId } & SourceUsage)[] {
    return [...this.#cells.values()].flatMap(({ tenant, usage }) =>
      usage.filter(({ memoryBytes }) => memoryBytes > 0).map((held) => ({ tenant: tenant.id, ...held })),
    );
  }

  /** Process ids of the cell hosts. */
  hostPids(): number[] {
    return this.#hosts.pids();
  }

  /** Ends every cell; jobs that run are lost, as `cell_lost`. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#line.refuseAll(stopping());
    await this.#hosts.stop();
  }

  #tenant(id: TenantId): Tenant {
    const tenant = this.#tenants.get(id);
    if (tenant === undefined) throw new GtpackError('tenant_invalid', `There is no tenant ${id}.`);
    return tenant;
  }

  /**
   * Uses a tenant's cell: the one that lives, a new one, or, where all that may live are at work, the one that it gets
   * when its turn has come.
   */
  #inCell<T>(
    id: TenantId,
    isKept: boolean,
    use: (cell: LiveCell) => Promise<T>,
    again: () => Promise<T>,
  ): Promise<T> {
    if (this.#stopped) throw stopping();
    const tenant = this.#tenant(id);
    const cell = this.#liveCell(tenant);
    if (cell !== undefined) return use(cell);
    // Nobody passes those that wait.
    if (!this.#line.isEmpty || !this.#cells.makeRoom())
      return this.#line.wait(id, isKept, async () => again());
    return use(this.#open(tenant));
  }

  /** Gives the room that there is to those who wait, in their order. */
  #admit(): void {
    while (!this.#stopped && !this.#line.isEmpty && this.#cells.makeRoom()) {
      const first = this.#line.take();
      if (first === undefined) return;
      this.#open(this.#tenant(first.tenant));
      first.begin();
    }
    // More may be overdue than there were cells to retire.
    if (!this.#line.isEmpty) this.#cells.retire(this.#line.overdue);
  }

  /** The one that the tenant has, if it is still as it has to be. */
  #liveCell(tenant: Tenant): LiveCell | undefined {
    const { cell } = tenant;
    const held = this.quarantine.heldOf(tenant.id);
    if (cell?.placement === this.#placementOf(tenant) && isSame(cell.without, held)) return cell;
    // It answers what it has, and is closed then.
    tenant.cell = undefined;
    if (cell !== undefined) this.#cells.closeIfRetired(cell);
    return undefined;
  }

  #placementOf({ id, code }: Tenant): Placement {
    if (code.isolation === 'process') return 'alone';
    return this.#probation.isOn(id) ? 'apart' : 'shared';
  }

  #open(tenant: Tenant): LiveCell {
    const without = this.quarantine.heldOf(tenant.id);
    const placement = this.#placementOf(tenant);
    const host = this.#hosts.withRoom(placement);
    const cell = new LiveCell({
      id: this.#nextCell,
      tenant,
      host,
      placement,
      without,
      oneAtATime: this.#probation.isOneAtATime(tenant.id),
    });
    this.#nextCell += 1;
    tenant.cell = cell;
    this.#cells.add(cell);
    this.#options.onCellOpened?.(tenant.id);
    host.retain(tenant.code.modules);
    const { spec } = tenant.code;
    host.control({
      kind: 'open',
      cell: cell.id,
      spec: without.size === 0 ? spec : { ...spec, without: [...without] },
      ...(placement === 'alone' && { isAlone: true }),
    });
    return cell;
  }

  #hear(cell: LiveCell, report: CellReport): void {
    const tenant = cell.tenant.id;
    switch (report.kind) {
      case 'opened':
        if (report.problems.some(({ code }) => UNSTARTED.has(code))) {
          const [first, ...rest] = report.problems;
          if (first !== undefined) cell.failToOpen(GtpackError.ofProblems([first, ...rest]));
        }
        cell.open(report.problems);
        if (cell.isIdle) this.#admit();
        if (report.problems.length > 0) this.#options.onFlowProblems(tenant, report.problems);
        break;
      case 'open_failed':
        this.#lost(cell, { reason: 'open_failed', detail: report.detail, job: null, source: null });
        break;
      case 'job_done':
        cell.settle(report.id, report.result);
        this.#cells.closeIfRetired(cell);
        if (cell.isIdle) this.#admit();
        break;
      case 'effect':
        this.#answer(cell, report.call, report.effect.run, () =>
          this.#options.onEffect(tenant, report.effect, cell.gone.signal),
        );
        break;
      case 'record':
        this.#answer(cell, report.call, report.journal, () => this.#options.onRecord(tenant, report.journal));
        break;
      case 'give_up':
        cell.host.control({ kind: 'close', cell: cell.id });
        this.#lost(cell, report.loss);
        break;
      case 'respond':
        this.#options.onRespond(tenant, report.eventId, report.answer);
        break;
      case 'usage':
        cell.usage = report.usage;
        this.#options.onUsage?.(tenant, report.usage);
        break;
      case 'log':
        this.#options.onLog(tenant, report);
        break;
      default:
        report satisfies never;
    }
  }

  /** @param run in whose journal the cell writes with this */
  #answer(cell: LiveCell, call: number, run: RunJournal | null, perform: () => Promise<EffectAnswer>): void {
    const refused = run === null ? undefined : cell.refusalOf(run.runId);
    if (refused !== undefined) {
      this.#options.onLog(cell.tenant.id, { kind: 'log', source: 'cell', level: 'error', message: refused });
    }
    const pending = refused === undefined ? perform() : Promise.resolve(notOpen(refused));
    void pending.then((answer) => {
      if (this.#cells.get(cell.id) === cell) cell.host.send(cell.id, { kind: 'effect_answer', call, answer });
    });
  }

  #lost(cell: LiveCell, loss: CellLoss): void {
    this.#cells.forget(cell);
    const { id } = cell.tenant;
    cell.failToOpen(openError(id, loss.detail));
    this.#charge(cell, loss);
    cell.abandonJobs((job, { provider }) => errorAfter(loss, id, job, provider));
    if (loss.reason !== 'stopped') this.#options.onCellLost(id, loss);
    this.#admit();
  }

  /** Holds a loss against the provider or flow that is known to have caused it. */
  #charge({ tenant: { id, code } }: LiveCell, { reason, job, source, detail }: CellLoss): void {
    if (reason === 'stopped' || source === null) return;
    // The name comes from the cell.
    if (!source.startsWith('flow:') && !code.spec.providers.some((provider) => provider.id === source))
      return;
    const held =
      job === OPENING_JOB
        ? this.quarantine.hold(id, source, detail)
        : this.quarantine.strike(id, source, detail);
    if (held !== undefined) this.#options.onQuarantined?.(held);
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
      this.#cells.forget(cell);
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
      this.#charge(cell, loss);
      this.#options.onCellLost(id, loss);
    }
    this.#admit();
  }
}

function stopping(): GtpackError {
  return new GtpackError('host_stopping', 'The host is stopping.');
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a === b || (a.size === b.size && a.isSubsetOf(b));
}
