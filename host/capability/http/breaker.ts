import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';

export interface BreakerLimits {
  /** Failures in a row after which an origin is left alone. */
  readonly failures: number;
  /** For so long the first time; twice as long each time that its trial fails. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
  /** A request that has less time proves nothing by being late: a guest may give it one millisecond. */
  readonly minTimeoutMs: number;
  /** Failing origins of one tenant that are remembered; of more, the one that failed first is forgotten. */
  readonly maxOrigins: number;
}

export const DEFAULT_BREAKER_LIMITS: BreakerLimits = Object.freeze({
  failures: 5,
  pauseMs: 10_000,
  maxPauseMs: 300_000,
  minTimeoutMs: 1000,
  maxOrigins: 256,
});

/** An origin is left alone from now on, or has come back. */
export interface BreakerChange {
  readonly tenant: TenantId;
  readonly origin: string;
  readonly state: 'open' | 'closed';
  /** In a row. */
  readonly failures: number;
  /** Until a request may try; 0 of `closed`. */
  readonly pauseMs: number;
}

/** For the operator. */
export function breakerNotice({ origin, state, failures, pauseMs }: BreakerChange): string {
  return state === 'closed'
    ? `${origin} answers again, after ${failures} failures in a row.`
    : `${origin} failed ${failures} times in a row: no request is sent there for ${pauseMs / 1000} s.`;
}

/** One exchange that is about to happen. */
export interface Passage {
  readonly tenant: TenantId;
  /** `scheme://host:port` */
  readonly origin: string;
  readonly timeoutMs: number;
}

/** An origin whose last exchange failed. */
interface Failing {
  failures: number;
  readonly state:
    | { readonly kind: 'closed' }
    | { readonly kind: 'open'; readonly until: number; readonly pauseMs: number }
    /** One request tries whether it has come back; no other is let through meanwhile. */
    | { readonly kind: 'trial'; readonly pauseMs: number };
}

/** What the other end, or the way to it, did wrong. */
const FAILURES: ReadonlySet<string> = new Set([
  'http_unreachable',
  'http_interrupted',
  'http_tls_failed',
  'http_response_invalid',
]);
/** Says of the caller's time as much as of the vendor's. */
const LATE = 'http_timeout';

/**
 * Circuit breakers, one for each tenant and origin (Nygard, Release It!): after a number of failures in a row, requests
 * fail at once instead of waiting for a vendor that is down, until one that is let through for a trial succeeds.
 *
 * Tenants share none, or one could keep a vendor from another. Only what failed last is remembered, within bounds.
 */
export class Breaker {
  readonly #limits: BreakerLimits;
  readonly #now: () => number;
  readonly #onChange: (change: BreakerChange) => void;
  readonly #tenants = new Map<TenantId, Map<string, Failing>>();

  /** @param now milliseconds, of a clock that only goes forward */
  constructor(limits: BreakerLimits, now: () => number, onChange: (change: BreakerChange) => void) {
    this.#limits = limits;
    this.#now = now;
    this.#onChange = onChange;
  }

  /** Origins that are left alone at present. */
  get open(): number {
    let open = 0;
    for (const origins of this.#tenants.values()) {
      for (const { state } of origins.values()) if (state.kind !== 'closed') open += 1;
    }
    return open;
  }

  /** @throws GtpackError `http_circuit_open`; what the exchange throws */
  async pass<T extends { readonly status: number }>(
    passage: Passage,
    exchange: () => Promise<T>,
  ): Promise<T> {
    this.#admit(passage);
    try {
      const response = await exchange();
      if (response.status >= 500) this.#failed(passage);
      else this.#succeeded(passage);
      return response;
    } catch (error) {
      if (isFailure(error, passage.timeoutMs >= this.#limits.minTimeoutMs)) this.#failed(passage);
      else this.#saidNothing(passage);
      throw error;
    }
  }

  #admit({ tenant, origin }: Passage): void {
    const failing = this.#tenants.get(tenant)?.get(origin);
    if (failing === undefined || failing.state.kind === 'closed') return;
    const { state } = failing;
    const left = state.kind === 'open' ? state.until - this.#now() : 1000;
    if (left > 0) throw circuitOpen(origin, failing.failures, left);
    this.#set(tenant, origin, { ...failing, state: { kind: 'trial', pauseMs: state.pauseMs } });
  }

  #failed({ tenant, origin }: Passage): void {
    const { failures: most, pauseMs: first, maxPauseMs } = this.#limits;
    const { failures, state } = this.#tenants.get(tenant)?.get(origin) ?? NOTHING;
    const count = failures + 1;
    // Of requests that were under way when the last one of the row failed, nothing follows.
    if (state.kind === 'open' || (state.kind === 'closed' && count < most)) {
      this.#set(tenant, origin, { failures: count, state });
      return;
    }
    const pauseMs = state.kind === 'trial' ? Math.min(maxPauseMs, state.pauseMs * 2) : first;
    this.#set(tenant, origin, {
      failures: count,
      state: { kind: 'open', until: this.#now() + pauseMs, pauseMs },
    });
    this.#onChange({ tenant, origin, state: 'open', failures: count, pauseMs });
  }

  #succeeded({ tenant, origin }: Passage): void {
    const origins = this.#tenants.get(tenant);
    const failing = origins?.get(origin);
    if (origins === undefined || failing === undefined) return;
    origins.delete(origin);
    if (origins.size === 0) this.#tenants.delete(tenant);
    if (failing.state.kind === 'closed') return;
    this.#onChange({ tenant, origin, state: 'closed', failures: failing.failures, pauseMs: 0 });
  }

  /** A trial that was given up, or that this host was too busy for, proved nothing: the next request is one. */
  #saidNothing({ tenant, origin }: Passage): void {
    const failing = this.#tenants.get(tenant)?.get(origin);
    if (failing?.state.kind !== 'trial') return;
    const { pauseMs } = failing.state;
    this.#set(tenant, origin, { ...failing, state: { kind: 'open', until: this.#now(), pauseMs } });
  }

  /** The one that failed last comes last. */
  #set(tenant: TenantId, origin: string, failing: Failing): void {
    const origins = this.#tenants.get(tenant) ?? new Map<string, Failing>();
    this.#tenants.set(tenant, origins);
    origins.delete(origin);
    origins.set(origin, failing);
    if (origins.size <= this.#limits.maxOrigins) return;
    const [oldest] = origins.keys();
    if (oldest !== undefined) origins.delete(oldest);
  }
}

const NOTHING: Failing = { failures: 0, state: { kind: 'closed' } };

function isFailure(error: unknown, hadTime: boolean): boolean {
  if (!(error instanceof GtpackError)) return false;
  return FAILURES.has(error.code) || (error.code === LATE && hadTime);
}

function circuitOpen(origin: string, failures: number, leftMs: number): GtpackError {
  return new GtpackError(
    'http_circuit_open',
    `${origin} failed ${failures} times in a row, and is left alone for ${Math.ceil(leftMs / 1000)} s more.`,
    { retryAfterMs: leftMs },
  );
}
