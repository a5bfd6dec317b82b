import { GtpackError } from '../errors.ts';
import type { Standing } from './attempt.ts';
import type { CompiledFlowNode } from './compiled-flow.ts';
import { outputNames } from './flow.ts';
import { type Frame, targetIn } from './frame.ts';
import type { RunParts } from './run.ts';
import { PutOff, placeOf, RunFailure } from './run-failure.ts';
import type { RunState } from './run-state.ts';
import { Step } from './step.ts';
import { stepKey } from './step-key.ts';

/** What was recorded of a node that still has to come to its end; a failure that was recorded may go away. */
const UNFINISHED: ReadonlySet<string> = new Set(['retrying', 'started', 'waiting', 'error']);

/** The nodes of one frame, one after the other. */
export class RunSteps {
  readonly #run: RunParts;
  readonly #state: RunState;
  readonly #frame: Frame;
  /** Nodes that are done: the place of a step among them names it, on every delivery. */
  #done = 0;
  /** Of the node that an earlier delivery left before its end. */
  #standing: Standing | undefined;

  constructor(run: RunParts, state: RunState, frame: Frame) {
    this.#run = run;
    this.#state = state;
    this.#frame = frame;
  }

  /**
   * Takes what was recorded for done (F2), and goes on to the end.
   * @returns the last output, JSON text
   * @throws RunFailure, PutOff
   */
  async toEnd(): Promise<string> {
    const { flow, start, scope } = this.#frame;
    let at = start;
    try {
      at = this.#resume(at);
      while (at !== undefined) {
        at = await this.#step(at);
        this.#done += 1;
      }
      return scope.inputJson;
    } catch (thrown) {
      if (thrown instanceof PutOff) throw thrown;
      throw RunFailure.of(thrown, placeOf(flow, at));
    }
  }

  /** @returns the node to go on with */
  #resume(start: string | undefined): string | undefined {
    const { id, scope } = this.#frame;
    let next = start;
    for (const outcome of this.#state.journal.inFrame(id)) {
      if (outcome.status === 'ended') continue;
      const { node } = this.#nodeAt(outcome.node);
      if (UNFINISHED.has(outcome.status)) {
        const { ordinal, tries = [], effects = 0, waits = 0, due, at: startedAt } = outcome;
        const { began = this.#run.host.now() } = outcome;
        const isParked = outcome.status === 'waiting';
        this.#standing = { ordinal, began, tries, effects, waits, due, startedAt, isParked };
        next = node.id;
        break;
      }
      if (outcome.output !== undefined) scope.record(node.id, outcome.output, outputNames(node));
      if (outcome.status === 'caught' && outcome.error !== undefined) scope.fail(outcome.error);
      this.#done += 1;
      next = outcome.next ?? undefined;
    }
    return targetIn(this.#frame, next);
  }

  /** @returns the next one */
  #step(id: string): Promise<string | undefined> {
    const standing = this.#standing;
    this.#standing = undefined;
    const key = stepKey(this.#run.order.runId, this.#frame.id, id, this.#done);
    const compiled = this.#nodeAt(id);
    return new Step({
      run: this.#run,
      state: this.#state,
      frame: this.#frame,
      compiled,
      key,
      place: this.#done,
      enter: (frame) => new RunSteps(this.#run, this.#state, frame).toEnd(),
    }).toEnd(standing);
  }

  #nodeAt(id: string): CompiledFlowNode {
    const { flow } = this.#frame;
    const node = flow.nodes.get(id);
    if (node !== undefined) return node;
    throw new GtpackError(
      'flow_changed',
      `The flow ${flow.flow.name} has no node ${JSON.stringify(id)} any more, where this run goes on.`,
      { cure: 'Replay the event: it then runs through the flow as it is now.' },
    );
  }
}
