import { GtpackError } from '../errors.ts';
import type { Attempt, StepParts } from './attempt.ts';
import { type Frame, NO_ENDS } from './frame.ts';
import type { NodeError } from './journal.ts';
import type { NodeRounds, Round } from './node/node.ts';
import { PutOff, placeOf, RunFailure } from './run-failure.ts';
import { RunScope } from './scope.ts';

/** Of flows and rounds inside of each other. */
const MAX_DEPTH = 16;

/** How a round came to its end: its output, JSON text; or what kept it from one. */
type RoundEnd = string | RunFailure | PutOff;

/** The rounds of one node. Each has a frame, and goes on after a redelivery where its own outcomes end. */
export class Rounds {
  readonly #parts: StepParts;
  readonly #attempt: Attempt;
  #isShared = false;

  constructor(parts: StepParts, attempt: Attempt) {
    this.#parts = parts;
    this.#attempt = attempt;
  }

  /**
   * Runs them, so many at a time. One that has failed for good lets no further one begin; those that began come to an end.
   * @returns the node's output, JSON text
   * @throws RunFailure of the first that failed; PutOff where no one did and some go on later
   */
  async toEnd({ rounds, concurrency, collects, output }: NodeRounds): Promise<string> {
    const ends: (RoundEnd | undefined)[] = [];
    this.#isShared = concurrency > 1 || this.#parts.frame.isShared;
    let next = 0;
    let hasFailed = false;
    const work = async (): Promise<void> => {
      while (!hasFailed) {
        const at = next;
        const round = rounds[at];
        if (round === undefined) return;
        next += 1;
        const end = await this.#round(round, collects);
        ends[at] = end;
        hasFailed ||= end instanceof RunFailure;
        // It keeps its turn: rounds that go one by one do so after a pause, too.
        if (end instanceof PutOff) return;
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, rounds.length) }, work));
    const failures = ends.filter((end) => end instanceof RunFailure);
    const failure = failures.find(({ isTheNodes }) => !isTheNodes) ?? failures[0];
    if (failure !== undefined) throw failure;
    const [first] = ends.filter((end) => end instanceof PutOff).sort((a, b) => a.due - b.due);
    if (first !== undefined) throw first;
    return output(ends.filter((end) => typeof end === 'string'));
  }

  async #round(round: Round, collects: boolean): Promise<RoundEnd> {
    const { state, frame, place, enter } = this.#parts;
    const id = `${frame.id}/${place}.${round.name}`;
    try {
      if (!collects) return await enter(this.#frame(id, round));
      const ended = state.journal.inFrame(id).find(({ status }) => status === 'ended');
      if (ended?.error !== undefined) return failed(ended.error);
      return `{"ok":true,"output":${await enter(this.#frame(id, round))}}`;
    } catch (thrown) {
      if (thrown instanceof PutOff) return thrown;
      const failure = this.#failure(thrown);
      return collects && failure.isTheNodes ? this.#collect(id, failure) : failure;
    }
  }

  /** That a round has failed is recorded, or a redelivery would try it again. */
  async #collect(id: string, { error: { code, node, retryable }, plain }: RunFailure): Promise<RoundEnd> {
    const { state, compiled } = this.#parts;
    const { journal } = state;
    const error = { code, message: plain, node, retryable };
    journal.write(journal.place(), {
      node: compiled.node.id,
      frame: id,
      status: 'ended',
      next: null,
      error,
      ms: 0,
    });
    try {
      await state.record();
    } catch (thrown) {
      return this.#failure(thrown);
    }
    return failed(error);
  }

  /** @throws GtpackError `flow_unknown`, `flow_too_deep`, and what keeps a flow from running */
  #frame(id: string, { body }: Round): Frame {
    const { run, frame, compiled } = this.#parts;
    const { wall } = this.#attempt;
    const depth = frame.depth + 1;
    if (depth > MAX_DEPTH) {
      throw new GtpackError(
        'flow_too_deep',
        `The run is inside of ${frame.depth} flows and rounds already, which is the most that is allowed.`,
        { cure: 'Let the innermost ones be started by `async` or by events.' },
      );
    }
    if (body.kind === 'chain') {
      const { next, id: node } = compiled.node;
      const ends = new Set([...frame.ends, node, ...(next === undefined ? [] : [next])]);
      return {
        ...frame,
        id,
        scope: body.scope(),
        start: body.target,
        ends,
        wall,
        depth,
        isShared: this.#isShared,
      };
    }
    const flow = run.flows(body.flow);
    if (flow instanceof GtpackError) throw flow;
    const input = body.input();
    const event = frame.event.with(input);
    const scope = new RunScope(event, input);
    const trigger = flow.flow.triggers.find(({ type }) => type === 'call');
    if (trigger === undefined) throw notCallable(body.flow);
    const isShared = this.#isShared;
    return { id, flow, event, scope, start: trigger.target, ends: NO_ENDS, wall, depth, isShared };
  }

  #failure(thrown: unknown): RunFailure {
    return RunFailure.of(thrown, placeOf(this.#parts.frame.flow, this.#parts.compiled.node.id));
  }
}

function failed(error: NodeError): string {
  return JSON.stringify({ ok: false, error });
}

function notCallable(flow: string): GtpackError {
  return new GtpackError('flow_unknown', `The flow ${flow} cannot be called by its name any more.`);
}
