/** The time and a timer, passed in so that tests own both. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls back once after `delayMs`, at most 2^31 - 1. @returns what cancels it */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/**
 * Timers run on a clock that stands still while the machine is suspended, so a timer set for tomorrow comes late by
 * the length of the sleep. Looking at the real time this often bounds the lateness.
 */
export const MAX_SLEEP_MS = 10_000;

export const systemClock: Clock = {
  now: Date.now,
  setTimer: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
