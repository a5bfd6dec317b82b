import { GtpackError } from '../errors.ts';
import { eventBounds, type JsonBounds } from '../event/json-bounds.ts';
import type { HttpAnswer } from '../sandbox/protocol.ts';
import { Journal, type PlacedEntry } from './journal.ts';
import type { RunParts } from './run.ts';
import { RunEffects } from './run-effects.ts';

/** All outputs of a run together, in events of the largest size: they are scope, journal and message at once. */
const MAX_OUTPUT_EVENTS = 16;

/** What the steps of one run share: its journal, its bounds, and the webhook that may be waiting for it. */
export class RunState {
  readonly journal: Journal;
  readonly effects: RunEffects;
  readonly bounds: JsonBounds;
  readonly #parts: RunParts;
  #outputCharacters = 0;
  #isAnswered = false;
  #commits = Promise.resolve();

  /** @throws GtpackError `journal_invalid` */
  constructor(parts: RunParts) {
    this.#parts = parts;
    this.bounds = eventBounds(parts.limits);
    this.effects = new RunEffects(parts);
    this.journal = new Journal(parts.order.journal);
    for (const { effects = 0, output, answers } of this.journal.recorded) {
      this.effects.resume(effects);
      this.#outputCharacters += output?.length ?? 0;
      this.#isAnswered ||= answers === true;
    }
  }

  /** Records what was written into the journal since. @throws EffectProblem where it was not stored */
  async record(): Promise<void> {
    await this.commit(async (journal) => {
      if (journal.length > 0) await this.effects.record({ runId: this.#parts.order.runId, journal });
    });
  }

  /**
   * Stores what is not recorded yet, one commit at a time: chains that run at once are recorded in the order in which
   * they were written, or a chain would be found without what came before it.
   * @param write writes what is to be stored with it, and gives the function that takes it back where it was not
   */
  async commit<T>(
    store: (entries: readonly PlacedEntry[]) => Promise<T>,
    write: () => () => void = () => () => undefined,
  ): Promise<T> {
    const before = this.#commits;
    const over = Promise.withResolvers<void>();
    this.#commits = over.promise;
    await before;
    const takeBack = write();
    try {
      const entries = this.journal.unrecorded();
      const result = await store(entries);
      this.journal.markRecorded(entries);
      return result;
    } catch (error) {
      takeBack();
      throw error;
    } finally {
      over.resolve();
    }
  }

  /** How often earlier deliveries put the run off. */
  get waits(): number {
    return this.journal.recorded.reduce((sum, { waits = 0 }) => sum + waits, 0);
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Why there may be no further step. */
  stepsFault(): GtpackError | undefined {
    const { maxFlowSteps } = this.#parts.limits;
    if (this.journal.steps < maxFlowSteps) return undefined;
    return new GtpackError(
      'flow_too_many_steps',
      `The run has taken ${maxFlowSteps} steps, which is the most that is allowed.`,
    );
  }

  /** @throws GtpackError `flow_outputs_too_large` */
  countOutput(characters: number): void {
    this.#outputCharacters += characters;
    const max = MAX_OUTPUT_EVENTS * this.bounds.maxBytes;
    if (this.#outputCharacters <= max) return;
    throw new GtpackError(
      'flow_outputs_too_large',
      `The outputs of the run are longer than ${max} characters together.`,
      { cure: 'Let nodes give only what later nodes need.' },
    );
  }

  /** Answers the waiting webhook. @throws GtpackError `flow_response_invalid` for a second answer */
  respond(answer: HttpAnswer): void {
    if (this.#isAnswered) {
      throw new GtpackError('flow_response_invalid', 'The run has answered its webhook before.', {
        cure: 'Let only one http_response node run.',
      });
    }
    this.#isAnswered = true;
    this.#parts.host.respond(this.#parts.event.head.id, answer);
  }
}
