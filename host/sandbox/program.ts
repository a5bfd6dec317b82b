import type { GtpackError, Problem } from '../errors.ts';
import type { Event } from '../event/event.ts';
import type {
  CellLogLine,
  CellStart,
  Effect,
  EffectAnswer,
  EffectRun,
  HttpAnswer,
  RunJournal,
  RunOrder,
  RunOutcome,
} from './protocol.ts';

/** Runs flows. The sandbox knows no more of them than this. */
export interface CellProgram {
  /** What keeps some of its flows from running. */
  readonly problems: readonly Problem[];
  run(event: string, orders: readonly RunOrder[], host: ProgramHost): Promise<RunOutcome[]>;
}

/** What a run may reach while it works for one job. */
export interface ProgramHost {
  /**
   * Runs one uninterrupted stretch of a tenant's code under the watch.
   * @param source `flow:<name>`
   */
  guard<T>(source: string, stretch: () => T): T;
  effect(effect: Effect): Promise<EffectAnswer>;
  /** @throws GtpackError for what the provider did wrong */
  call(call: ProviderCall): Promise<EffectAnswer>;
  record(journal: RunJournal): Promise<EffectAnswer>;
  respond(eventId: string, answer: HttpAnswer): void;
  log(line: CellLogLine): void;
}

/** An operation of a provider, called by a run in the same cell. */
export interface ProviderCall {
  readonly provider: string;
  readonly operation: string;
  /** JSON text. */
  readonly input: string;
  /** Named with the provider's effects; its journal is empty, since the run records its own outcome. */
  readonly run: EffectRun;
  /** Begins the ids of what the provider publishes, so that a repeat is a duplicate (promise B4). */
  readonly key: string;
  /** The run's event: what the provider publishes follows from it, and is one hop further. */
  readonly cause: Event;
  /** What is left of the time of the node that calls; past it every effect is answered with a problem. */
  readonly wallMs: number;
  /** Counts one effect of the provider. @returns why it may have no more */
  readonly spend: () => GtpackError | undefined;
}

export type OpenProgram = (
  start: CellStart,
  host: Pick<ProgramHost, 'guard' | 'log'>,
) => Promise<CellProgram>;
