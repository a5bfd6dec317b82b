import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';

/** What outbound HTTP may hold at once: for one tenant, and for all of them together. */
export interface HttpLimits {
  readonly maxCalls: number;
  readonly maxCallsInAll: number;
  /** Idle ones and those that are still being dialled count. */
  readonly maxConnections: number;
  readonly maxConnectionsInAll: number;
  /** Of bodies that are on their way, in both directions. */
  readonly maxHeldBytes: number;
  readonly maxHeldBytesInAll: number;
}

const MiB = 1024 * 1024;

export const DEFAULT_HTTP_LIMITS: HttpLimits = Object.freeze({
  maxCalls: 1024,
  maxCallsInAll: 8192,
  maxConnections: 2048,
  maxConnectionsInAll: 8192,
  maxHeldBytes: 32 * MiB,
  maxHeldBytesInAll: 256 * MiB,
});

/** Counts one kind of thing, tenant by tenant. */
export class Tally {
  readonly #what: string;
  readonly #max: number;
  readonly #maxInAll: number;
  readonly #byTenant = new Map<TenantId, number>();
  #inAll = 0;

  constructor(what: string, max: number, maxInAll: number) {
    this.#what = what;
    this.#max = max;
    this.#maxInAll = maxInAll;
  }

  get inAll(): number {
    return this.#inAll;
  }

  /** @throws GtpackError `http_busy`; then nothing was added */
  add(tenant: TenantId, amount: number): void {
    const sum = (this.#byTenant.get(tenant) ?? 0) + amount;
    if (sum > this.#max) {
      throw new GtpackError('http_busy', `The tenant has more than ${this.#max} ${this.#what} at once.`, {
        cure: 'Send less at the same time, or try again later.',
      });
    }
    if (this.#inAll + amount > this.#maxInAll) {
      throw new GtpackError('http_busy', `The host has more than ${this.#maxInAll} ${this.#what} at once.`, {
        cure: 'Try again later.',
      });
    }
    this.#byTenant.set(tenant, sum);
    this.#inAll += amount;
  }

  remove(tenant: TenantId, amount: number): void {
    const left = (this.#byTenant.get(tenant) ?? 0) - amount;
    if (left > 0) this.#byTenant.set(tenant, left);
    else this.#byTenant.delete(tenant);
    this.#inAll -= amount;
  }
}

export interface Load {
  readonly calls: Tally;
  readonly connections: Tally;
  readonly heldBytes: Tally;
}

export function createLoad(limits: HttpLimits): Load {
  return {
    calls: new Tally('HTTP requests', limits.maxCalls, limits.maxCallsInAll),
    connections: new Tally('HTTP connections', limits.maxConnections, limits.maxConnectionsInAll),
    heldBytes: new Tally('bytes of HTTP bodies', limits.maxHeldBytes, limits.maxHeldBytesInAll),
  };
}
