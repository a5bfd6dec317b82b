import { GtpackError } from '../errors.ts';
import type { Standing } from './attempt.ts';
import { type CompiledFlowNode, targetOf } from './compiled-flow.ts';
import { outputNames } from './flow.ts';
import type { RunParts } from './run.ts';
import { PutOff, placeOf, RunFailure } from './run-failure.ts';
import type { RunState } from './run-state.ts';
import { Step } from './step.ts';
import { stepKey } from './step-key.ts';

/** What was recorded of a node that still has to come to its end; a failure that was recorded may go away. */
const UNFINISHED: ReadonlySet<string> = new Set(['retrying', 'started', 'error']);

/** The nodes of one run, one after the other. */
export class RunSteps {
  readonly #run: RunParts;
  readonly #state: RunState;
  /** Nodes that are done: the place of a step among them names it, on every delivery. */
  #done = 0;
  /** Of the node that an earlier delivery left between two tries. */
  #standing: Standing | undefined;

  constructor(run: RunParts, state: RunState) {
    this.#run = run;
    this.#state = state;
  }

  /**
   * Takes what was recorded for done (F2), and goes on to the end.
   * @returns the last output, JSON text
   * @throws RunFailure, PutOff
   */
  async toEnd(): Promise<string> {
    const { flow, order } = this.#run;
    let at = flow.flow.triggers[order.trigger]?.target;
    try {
      at = this.#resume(at);
      while (at !== undefined) {
        at = await this.#step(at);
        this.#done += 1;
      }
      return this.#state.scope.inputJson;
    } catch (thrown) {
      if (thrown instanceof PutOff) throw thrown;
      throw RunFailure.of(thrown, placeOf(flow, at));
    }
  }

  /** @returns the node to go on with */
  #resume(start: string | undefined): string | undefined {
    const { journal, scope } = this.#state;
    let next = start;
    for (const outcome of journal.recorded) {
      const { node } = this.#nodeAt(outcome.node);
      if (UNFINISHED.has(outcome.status)) {
        const { ordinal, tries = [], effects = 0, waits = 0, due, at: startedAt } = outcome;
        this.#standing = { ordinal, tries, effects, waits, due, startedAt };
        next = node.id;
        break;
      }
      if (outcome.output !== undefined) scope.record(node.id, outcome.output, outputNames(node));
      if (outcome.status === 'caught' && outcome.error !== undefined) scope.fail(outcome.error);
      this.#done += 1;
      next = outcome.next ?? undefined;
    }
    return targetOf(this.#run.flow, next);
  }

  /** @returns the next one */
  #step(id: string): Promise<string | undefined> {
    const standing = this.#standing;
    this.#standing = undefined;
    const key = stepKey(this.#run.order.runId, id, this.#done);
    return new Step({ run: this.#run, state: this.#state, compiled: this.#nodeAt(id), key }).toEnd(standing);
  }

  #nodeAt(id: string): CompiledFlowNode {
    const { flow } = this.#run;
    const node = flow.nodes.get(id);
    if (node !== undefined) return node;
    throw new GtpackError(
      'flow_changed',
      `The flow ${flow.flow.name} has no node ${JSON.stringify(id)} any more, where this run goes on.`,
      { cure: 'Replay the event: it then runs through the flow as it is now.' },
    );
  }
}
