import { type ErrorCode, GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Limits } from '../limits.ts';
import { Backlogs, type CountPending } from './backlog.ts';
import { TokenBucket } from './token-bucket.ts';

export type QuotaLimits = Pick<Limits, 'maxEventsPerSecond' | 'maxBacklog'>;

export interface QuotaOptions {
  readonly limits: ReadonlyMap<TenantId, QuotaLimits>;
  readonly count: CountPending;
  /** Milliseconds of a clock that only goes forward. */
  readonly monotonicMs: () => number;
  /** A request, a flow or a guest is refused. Must not throw. */
  readonly onRefused?: (tenant: TenantId, code: ErrorCode) => void;
}

/**
 * Flows may publish past the tenant's backlog, since events that wait are done by them: those that follow from one another
 * take each other's places. Only what multiplies comes up to this.
 */
const FLOWS_SHARE = 2;
/** A backlog takes its time. */
const BACKLOG_RETRY_MS = 5000;

/** What a tenant may put onto the bus: so many events a second, and no more once so many wait. */
export class Quotas {
  readonly #options: QuotaOptions;
  readonly #buckets = new Map<TenantId, TokenBucket>();
  readonly #backlogs: Backlogs;

  constructor(options: QuotaOptions) {
    this.#options = options;
    this.#backlogs = new Backlogs(options.count, options.monotonicMs);
  }

  /** Asks the bus for what waits already. */
  start(): Promise<void> {
    return this.#backlogs.ask();
  }

  /**
   * Before a request reaches any guest; it counts as one event.
   * @throws GtpackError `tenant_backlog_full`, `tenant_rate_exceeded`
   */
  admit(tenant: TenantId): void {
    this.#checkBacklog(tenant, 1);
    this.#take(tenant, 1);
  }

  /** Stores what came of a request that was admitted. */
  store<T extends Stored>(tenant: TenantId, count: number, publish: () => Promise<T[]>): Promise<T[]> {
    this.#bucketOf(tenant)?.owe(count - 1, this.#options.monotonicMs());
    return this.#counted(tenant, count, publish);
  }

  /**
   * Stores what a flow or a guest publishes.
   * @throws GtpackError `tenant_backlog_full`, `tenant_rate_exceeded`; as `publish` does
   */
  async publish<T extends Stored>(
    tenant: TenantId,
    count: number,
    publish: () => Promise<T[]>,
  ): Promise<T[]> {
    if (count > 0) {
      this.#checkBacklog(tenant, FLOWS_SHARE);
      this.#take(tenant, count);
    }
    return await this.#counted(tenant, count, publish);
  }

  /**
   * An event lies on the bus that no host published, and is about to be delivered: it is taken at the tenant's rate.
   * @returns 0, or in how many milliseconds one may come
   */
  admitOutside(tenant: TenantId): number {
    return this.#bucketOf(tenant)?.take(1, this.#options.monotonicMs()) ?? 0;
  }

  /** An event of the tenant is done with. */
  settled(tenant: TenantId): void {
    this.#backlogs.settled(tenant);
  }

  async #counted<T extends Stored>(
    tenant: TenantId,
    count: number,
    publish: () => Promise<T[]>,
  ): Promise<T[]> {
    const done = this.#backlogs.begin(tenant, count);
    let stored = 0;
    try {
      const receipts = await publish();
      for (const { duplicate } of receipts) if (!duplicate) stored += 1;
      return receipts;
    } finally {
      done(stored);
    }
  }

  #checkBacklog(tenant: TenantId, share: number): void {
    const limits = this.#options.limits.get(tenant);
    if (limits === undefined) return;
    const most = limits.maxBacklog * share;
    const waiting = this.#backlogs.of(tenant);
    if (waiting < most) return;
    this.#refuse(
      tenant,
      'tenant_backlog_full',
      `${waiting} events of tenant ${tenant} wait to be processed; ${most} may (max_backlog).`,
      BACKLOG_RETRY_MS,
    );
  }

  #take(tenant: TenantId, count: number): void {
    const bucket = this.#bucketOf(tenant);
    const waitMs = bucket?.take(count, this.#options.monotonicMs()) ?? 0;
    if (waitMs === 0) return;
    const { maxEventsPerSecond = 0 } = this.#options.limits.get(tenant) ?? {};
    this.#refuse(
      tenant,
      'tenant_rate_exceeded',
      `The tenant ${tenant} has had its ${maxEventsPerSecond} events of this second (max_events_per_second).`,
      waitMs,
    );
  }

  #refuse(tenant: TenantId, code: ErrorCode, message: string, retryAfterMs: number): never {
    this.#options.onRefused?.(tenant, code);
    throw new GtpackError(code, message, { retryAfterMs });
  }

  #bucketOf(tenant: TenantId): TokenBucket | undefined {
    const known = this.#buckets.get(tenant);
    const limits = this.#options.limits.get(tenant);
    if (known !== undefined || limits === undefined) return known;
    const bucket = new TokenBucket(limits.maxEventsPerSecond, this.#options.monotonicMs());
    this.#buckets.set(tenant, bucket);
    return bucket;
  }
}

/** As the bus says of each event. */
interface Stored {
  readonly duplicate: boolean;
}
