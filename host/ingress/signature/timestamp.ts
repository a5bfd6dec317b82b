import { type Finding, VERIFIED } from './finding.ts';

/** From 2001 to 2286, and in one spelling: digits that could as well be the body's can't be added or taken away. */
const SECONDS = /^[1-9]\d{9}$/;
const MILLISECONDS = /^[1-9]\d{12}$/;
/** However old a delivery may be: a clock that is ahead is wrong by this much at most. */
const MAX_AHEAD_MS = 5 * 60_000;

export const NO_TIMESTAMP = 'has no timestamp in whole seconds beside it';

/** Whole seconds since the Unix epoch, as milliseconds. */
export function readSeconds(text: string | undefined): number | undefined {
  return text !== undefined && SECONDS.test(text) ? Number(text) * 1000 : undefined;
}

/** Seconds or milliseconds, told apart by their length. */
export function readInstant(text: string | undefined): number | undefined {
  return text !== undefined && MILLISECONDS.test(text) ? Number(text) : readSeconds(text);
}

/** Of a signature that holds: whether it was made within the window. */
export function fresh(signedAt: number, toleranceMs: number, now: number): Finding {
  const ageMs = now - signedAt;
  const seconds = Math.ceil(Math.abs(ageMs) / 1000);
  if (ageMs > toleranceMs) {
    return { kind: 'stale', why: `was made ${seconds} s ago, and ${toleranceMs / 1000} s are allowed` };
  }
  if (-ageMs > Math.min(toleranceMs, MAX_AHEAD_MS)) {
    return { kind: 'stale', why: `was made ${seconds} s in the future of this host's clock` };
  }
  return VERIFIED;
}
