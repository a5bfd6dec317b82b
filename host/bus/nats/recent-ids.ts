const MAX_IDS = 50_000;

/** Ids that this host published, for receipts that say so at once; what decides is the claim (B4). */
export class RecentIds {
  readonly #windowMs: number;
  /** By when it was published, the oldest first. */
  readonly #times = new Map<string, number>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(token: string, at: number): void {
    this.#times.delete(token);
    this.#times.set(token, at);
    if (this.#times.size <= MAX_IDS) return;
    const [oldest] = this.#times.keys();
    if (oldest !== undefined) this.#times.delete(oldest);
  }

  /** @returns when it was published, if that is within the window */
  find(token: string, now: number): number | undefined {
    const at = this.#times.get(token);
    if (at === undefined || (now - at < this.#windowMs && now >= at)) return at;
    this.#times.delete(token);
    return undefined;
  }
}
