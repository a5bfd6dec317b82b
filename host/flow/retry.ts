import type { Retry } from './flow.ts';

/** A vendor may ask for a longer pause than anybody waits. */
const MAX_RETRY_AFTER_MS = 24 * 60 * 60_000;

/**
 * How long to wait before the next try: exponential with full jitter, so that of many runs that failed together few
 * come back together; and no sooner than the vendor asked for.
 *
 * @param failed tries so far
 * @param random from 0 up to, not including, 1
 */
export function retryDelayMs(
  { backoffMs, maxBackoffMs }: Retry,
  failed: number,
  retryAfterMs: number | undefined,
  random: () => number,
): number {
  const ceiling = Math.min(maxBackoffMs, backoffMs * 2 ** (failed - 1));
  const jittered = Math.floor(random() * ceiling);
  return Math.max(jittered, pauseMs(retryAfterMs));
}

/** As long as a vendor asked for, within bounds. */
export function pauseMs(retryAfterMs: number | undefined): number {
  return Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
}

/** What `Retry-After` says (RFC 9110, section 10.2.3), in milliseconds; undefined for what says nothing. */
export function parseRetryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
