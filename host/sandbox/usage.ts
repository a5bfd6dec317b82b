import type { SourceUsage } from './protocol.ts';

/** Reports go with what a cell sends anyway, or by themselves where it falls silent, no more often than this. */
const REPORT_EVERY_MS = 1000;

export interface UsageClock {
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** CPU time of the thread, in milliseconds. */
  readonly cpuMs: () => number;
}

/**
 * What the code in a cell has used, by source. Each stretch of it is measured by the wall, which costs next to nothing, and
 * what all of them took is brought down to the CPU time of the thread: on a busy machine a thread is not always running.
 */
export class UsageMeter {
  readonly #clock: UsageClock;
  readonly #wallMs = new Map<string, number>();
  #source = '';
  #enteredAt: number | undefined;
  #cpuMs: number;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: UsageClock) {
    this.#clock = clock;
    this.#cpuMs = clock.cpuMs();
  }

  enter(source: string): void {
    this.#source = source;
    this.#enteredAt = this.#clock.now();
  }

  leave(): void {
    if (this.#enteredAt === undefined) return;
    const ms = this.#clock.now() - this.#enteredAt;
    this.#wallMs.set(this.#source, (this.#wallMs.get(this.#source) ?? 0) + ms);
    this.#enteredAt = undefined;
  }

  /** In how many milliseconds the next report is due; undefined where there is nothing to report. */
  get dueInMs(): number | undefined {
    if (this.#wallMs.size === 0) return undefined;
    return Math.max(0, this.#reportedAt + REPORT_EVERY_MS - this.#clock.now());
  }

  /** What was used since the last time. @param memories what each provider's instances hold */
  take(memories: ReadonlyMap<string, number>): SourceUsage[] {
    const cpuMs = this.#clock.cpuMs();
    const spentMs = cpuMs - this.#cpuMs;
    let wallMs = 0;
    for (const ms of this.#wallMs.values()) wallMs += ms;
    const share = wallMs > spentMs ? spentMs / wallMs : 1;
    const usage: SourceUsage[] = [];
    for (const [source, memoryBytes] of memories) {
      usage.push({ source, cpuMs: (this.#wallMs.get(source) ?? 0) * share, memoryBytes });
    }
    for (const [source, ms] of this.#wallMs) {
      if (!memories.has(source)) usage.push({ source, cpuMs: ms * share, memoryBytes: 0 });
    }
    this.#cpuMs = cpuMs;
    this.#wallMs.clear();
    this.#reportedAt = this.#clock.now();
    return usage;
  }
}
