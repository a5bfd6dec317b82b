import type { ProviderCall } from '../sandbox/program.ts';
import type { CellLogLine, Effect, EffectAnswer, HttpAnswer, RunJournal } from '../sandbox/protocol.ts';

/** What the cell does for the executor. */
export interface FlowHost {
  /** Asks the broker. A rejection is the cell's own trouble, not the effect's. */
  effect(effect: Effect): Promise<EffectAnswer>;
  /**
   * Calls an operation of a provider in the same cell.
   * @throws GtpackError for what the provider did wrong: `guest_trap`, `guest_output_invalid`, …
   */
  call(call: ProviderCall): Promise<EffectAnswer>;
  /** Stores outcomes of a run that is not finished; durable when it answers `ok`. */
  record(journal: RunJournal): Promise<EffectAnswer>;
  /** Answers the webhook that waits for this event, if one still does. */
  respond(eventId: string, answer: HttpAnswer): void;
  log(line: CellLogLine): void;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `due` after `ms` milliseconds. @returns the function that prevents it */
  after(ms: number, due: () => void): () => void;
  /** From 0 up to, not including, 1. */
  random(): number;
  /** CPU time that this thread has used, in milliseconds; on a busy machine an innocent script takes long by the wall. */
  cpuMs(): number;
  /**
   * Runs one uninterrupted stretch of tenant code, so that the cell can tell its watchdog what is running (F3).
   * @param label names it in the error of a cell that had to be ended: `flow orders, node total`
   */
  guard<T>(label: string, fn: () => T): T;
}
