import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';

export interface LineBounds {
  readonly maxTenants: number;
  /** Jobs of one tenant that may stand in line; the bus keeps what is more. */
  readonly maxJobsATenant: number;
  /** After so long a cell that is at work is told to end what it has, and to make room. */
  readonly patienceMs: number;
  /** After so long whoever waits for an answer is told to come back. */
  readonly maxWaitMs: number;
}

export const DEFAULT_LINE: LineBounds = {
  maxTenants: 1000,
  maxJobsATenant: 16,
  patienceMs: 1000,
  // As long as a call may last that holds a cell.
  maxWaitMs: 30_000,
};

interface Standing {
  /** Does what was asked for, now that the tenant has a cell. */
  readonly begin: () => void;
  readonly refuse: (error: GtpackError) => void;
  readonly cancel: () => void;
}

interface Waiter {
  readonly jobs: Set<Standing>;
  isOverdue: boolean;
  readonly cancel: () => void;
}

/** Tenants that have no cell while all cells are at work, in the order in which they came. */
export class WaitingLine {
  readonly #bounds: LineBounds;
  readonly #onOverdue: () => void;
  readonly #waiters = new Map<TenantId, Waiter>();

  /** @param onOverdue called each time that a tenant's patience is at its end */
  constructor(bounds: LineBounds, onOverdue: () => void) {
    this.#bounds = bounds;
    this.#onOverdue = onOverdue;
  }

  get isEmpty(): boolean {
    return this.#waiters.size === 0;
  }

  /** Tenants that have waited longer than a cell at work may let them. */
  get overdue(): number {
    let count = 0;
    for (const { isOverdue } of this.#waiters.values()) {
      // Whoever came later has waited less.
      if (!isOverdue) break;
      count += 1;
    }
    return count;
  }

  /**
   * Stands in line for a tenant's cell.
   * @param isKept it lies on the bus and nobody waits for an answer, so that it may wait as long as it takes
   * @throws GtpackError `cell_busy` where the line is full
   */
  wait<T>(tenant: TenantId, isKept: boolean, begin: () => Promise<T>): Promise<T> {
    const { maxTenants, maxJobsATenant, maxWaitMs } = this.#bounds;
    const known = this.#waiters.get(tenant);
    if (known === undefined && this.#waiters.size >= maxTenants)
      throw busy(`and ${maxTenants} tenants wait for one, which is the most that may`);
    if (known !== undefined && known.jobs.size >= maxJobsATenant)
      throw busy(`and ${maxJobsATenant} calls of tenant ${tenant} wait for one, which is the most that may`);
    const waiter = known ?? this.#enter(tenant);
    return new Promise((resolve, reject) => {
      const timer = isKept
        ? undefined
        : setTimeout(() => {
            this.#leave(tenant, standing);
            reject(busy(`and none was free within ${maxWaitMs} ms`));
          }, maxWaitMs);
      const standing: Standing = {
        begin: () => {
          begin().then(resolve, reject);
        },
        refuse: reject,
        cancel: () => clearTimeout(timer),
      };
      waiter.jobs.add(standing);
    });
  }

  /** The first tenant, and what begins its jobs once it has a cell; it is in line no more. */
  take(): { readonly tenant: TenantId; readonly begin: () => void } | undefined {
    for (const [tenant, waiter] of this.#waiters) {
      this.#drop(tenant, waiter);
      return {
        tenant,
        begin: () => {
          for (const job of waiter.jobs) job.begin();
        },
      };
    }
    return undefined;
  }

  refuseAll(error: GtpackError): void {
    for (const [tenant, waiter] of [...this.#waiters]) {
      this.#drop(tenant, waiter);
      for (const job of waiter.jobs) job.refuse(error);
    }
  }

  #enter(tenant: TenantId): Waiter {
    const timer = setTimeout(() => {
      waiter.isOverdue = true;
      this.#onOverdue();
    }, this.#bounds.patienceMs);
    const waiter: Waiter = { jobs: new Set(), isOverdue: false, cancel: () => clearTimeout(timer) };
    this.#waiters.set(tenant, waiter);
    return waiter;
  }

  #leave(tenant: TenantId, standing: Standing): void {
    const waiter = this.#waiters.get(tenant);
    if (waiter?.jobs.delete(standing) && waiter.jobs.size === 0) this.#drop(tenant, waiter);
  }

  #drop(tenant: TenantId, waiter: Waiter): void {
    this.#waiters.delete(tenant);
    waiter.cancel();
    for (const job of waiter.jobs) job.cancel();
  }
}

function busy(why: string): GtpackError {
  return new GtpackError('cell_busy', `All cells that may live are at work, ${why}.`);
}
