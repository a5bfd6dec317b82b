/** Time as the bus sees it; passed in where tests need it. */
export interface Scheduler {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls back once, after at least `delayMs`. @returns the function that cancels it */
  after(delayMs: number, callback: () => void): () => void;
}

export const SYSTEM_SCHEDULER: Scheduler = {
  now: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
