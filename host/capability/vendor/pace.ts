import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import type { Rate } from '../../written/rate.ts';

/** Longer than that nobody is kept waiting by a vendor's word; it may have been a slip. */
const MAX_PAUSE_MS = 3_600_000;

export interface PaceCaller {
  readonly tenant: TenantId;
  /** The bundle's provider. */
  readonly source: string;
}

interface Bucket {
  left: number;
  /** When that was counted. */
  at: number;
  /** Until when the vendor asked to be left alone. */
  pausedUntil: number;
}

/**
 * How many a provider may send, as a token bucket, and how long a vendor asked it to wait. Both are kept in memory, for
 * this host alone: a restart fills the bucket, and two hosts have one each.
 */
export class Pace {
  readonly #capability: string;
  readonly #monotonicMs: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param monotonicMs milliseconds, of a clock that only goes forward */
  constructor(capability: string, monotonicMs: () => number) {
    this.#capability = capability;
    this.#monotonicMs = monotonicMs;
  }

  /** How long the vendor wants to be left alone, still, in milliseconds. */
  pausedMs(caller: PaceCaller): number {
    const bucket = this.#buckets.get(keyOf(caller));
    return bucket === undefined ? 0 : Math.max(0, bucket.pausedUntil - this.#monotonicMs());
  }

  pause(caller: PaceCaller, rate: Rate, ms: number): void {
    const bucket = this.#bucket(caller, rate);
    bucket.pausedUntil = Math.max(bucket.pausedUntil, this.#monotonicMs() + Math.min(ms, MAX_PAUSE_MS));
  }

  /** @throws GtpackError `grant_rate_exceeded`, `capability_denied` for more than there ever are at once; then nothing is taken */
  take(caller: PaceCaller, rate: Rate, amount: number): void {
    const bucket = this.#bucket(caller, rate);
    if (amount > rate.count) throw this.#tooMany(caller, rate, amount);
    if (bucket.left < amount) {
      const waitMs = Math.ceil(((amount - bucket.left) * rate.periodMs) / rate.count);
      throw new GtpackError(
        'grant_rate_exceeded',
        `${caller.source} has used up what its grant allows (${this.#capability}: rate ${rate.text}); there is room for this in ${seconds(waitMs)}.`,
        { cure: 'Send it again later, or let the operator raise rate in the grant.', retryAfterMs: waitMs },
      );
    }
    bucket.left -= amount;
  }

  #bucket(caller: PaceCaller, { count, periodMs }: Rate): Bucket {
    const now = this.#monotonicMs();
    const key = keyOf(caller);
    const known = this.#buckets.get(key);
    if (known === undefined) {
      const full = { left: count, at: now, pausedUntil: 0 };
      this.#buckets.set(key, full);
      return full;
    }
    known.left = Math.min(count, known.left + ((now - known.at) * count) / periodMs);
    known.at = now;
    return known;
  }

  #tooMany({ source }: PaceCaller, { text }: Rate, amount: number): GtpackError {
    return new GtpackError(
      'capability_denied',
      `${source} may not send to ${amount} at once: its grant allows ${text}.`,
      {
        cure: `To allow it, change the grants of ${source} in the bundle: ${this.#capability}: { rate: ${amount}/min }`,
      },
    );
  }
}

/** Neither holds a space. */
function keyOf({ tenant, source }: PaceCaller): string {
  return `${tenant} ${source}`;
}

export function seconds(ms: number): string {
  return `${Math.max(1, Math.ceil(ms / 1000))} s`;
}
