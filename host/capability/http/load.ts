import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import { SharedAmount } from '../../fairness/share.ts';

/**
 * What outbound HTTP may hold at once: for one tenant, and for all of them together, of which one may have no more than it
 * leaves free for others.
 */
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
  readonly #amount: SharedAmount;

  constructor(what: string, max: number, maxInAll: number) {
    this.#what = what;
    this.#max = max;
    this.#maxInAll = maxInAll;
    this.#amount = new SharedAmount(maxInAll);
  }

  get inAll(): number {
    return this.#amount.inAll;
  }

  /** @throws GtpackError `http_busy`; then nothing was added */
  add(tenant: TenantId, amount: number): void {
    if (this.#amount.ownOf(tenant) + amount > this.#max) {
      throw new GtpackError('http_busy', `The tenant has more than ${this.#max} ${this.#what} at once.`, {
        cure: 'Send less at the same time, or try again later.',
      });
    }
    if (!this.#amount.hasRoom(tenant, amount)) {
      throw new GtpackError(
        'http_busy',
        `Of the ${this.#maxInAll} ${this.#what} that the host may have at once, the tenant has its share.`,
        { cure: 'Try again later.' },
      );
    }
    this.#amount.add(tenant, amount);
  }

  remove(tenant: TenantId, amount: number): void {
    this.#amount.remove(tenant, amount);
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
