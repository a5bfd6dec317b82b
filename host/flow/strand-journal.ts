import type { NodeOutcome, PlacedEntry } from './journal.ts';
import type { RunState } from './run-state.ts';

/**
 * What one strand has written into its run's journal and not recorded. Each strand records its own: what another one has
 * written may be of an effect that is not done yet.
 */
export class StrandJournal {
  readonly #runId: string;
  readonly #state: RunState;
  readonly #parent: StrandJournal | undefined;
  readonly #pending = new Map<number, PlacedEntry>();

  /** @param parent of the strand that waits for this one */
  constructor(runId: string, state: RunState, parent?: StrandJournal) {
    this.#runId = runId;
    this.#state = state;
    this.#parent = parent;
  }

  write(ordinal: number, outcome: NodeOutcome): void {
    this.#pending.set(ordinal, this.#state.journal.write(ordinal, outcome));
  }

  /** Takes back what was written and not recorded; `before` is what was there. */
  restore(ordinal: number, before: string | undefined): void {
    this.#pending.delete(ordinal);
    this.#state.journal.restore(ordinal, before);
  }

  /** What has to be recorded with the next effect, in order: what led to this strand, too. */
  unrecorded(): PlacedEntry[] {
    const led = this.#parent === undefined ? [] : this.#parent.unrecorded();
    return [...led, ...this.#pending.values()].toSorted((a, b) => a.ordinal - b.ordinal);
  }

  markRecorded(entries: readonly PlacedEntry[]): void {
    for (const { ordinal, entry } of entries) {
      if (this.#pending.get(ordinal)?.entry === entry) this.#pending.delete(ordinal);
    }
    this.#parent?.markRecorded(entries);
  }

  /** @throws EffectProblem where it was not stored */
  async record(): Promise<void> {
    const journal = this.unrecorded();
    if (journal.length === 0) return;
    await this.#state.effects.record({ runId: this.#runId, journal });
    this.markRecorded(journal);
  }

  /** The strand is at its end: its outcomes are recorded no later than that of the node that it was for. */
  handOver(): void {
    if (this.#parent === undefined) return;
    for (const [ordinal, entry] of this.#pending) this.#parent.#pending.set(ordinal, entry);
    this.#pending.clear();
  }
}
