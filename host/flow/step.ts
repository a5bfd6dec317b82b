import { GtpackError } from '../errors.ts';
import { Attempt, type Standing, type StepParts } from './attempt.ts';
import { CONTINUE, MAX_PARKED_CHARACTERS, outputNames } from './flow.ts';
import { targetIn } from './frame.ts';
import type { NodeEffect, NodeRounds } from './node/node.ts';
import { retryDelayMs } from './retry.ts';
import { Rounds } from './rounds.ts';
import { PutOff, placeOf, RunFailure } from './run-failure.ts';
import { MAX_WAIT_IN_CELL_MS, StepWait } from './step-wait.ts';

/** Of a failed try, in the journal; as long as what a guest may say, so that no secret in it is cut in two before it is found. */
const MAX_TRY_CHARACTERS = 2048;

const EFFECT_UNKNOWN = 'effect_unknown';
/** Failures that leave open what became of the effect that was under way. */
const LEFT_UNKNOWN: ReadonlySet<string> = new Set([
  EFFECT_UNKNOWN,
  'bus_unavailable',
  'bus_disk_full',
  'host_stopping',
  'run_taken',
]);
/** Nobody heard the end of what they were about, and why. */
const UNHEARD: ReadonlyMap<string, string> = new Map([
  ...['flow_effect_timeout', 'flow_node_timeout', 'guest_timeout', 'http_timeout'].map(
    (code) => [code, 'it was not over in time'] as const,
  ),
  ['http_interrupted', 'the connection broke before its answer was complete'],
  ['http_response_invalid', 'its answer could not be read'],
]);

/** One node of a run, with all of its tries. */
export class Step {
  readonly #parts: StepParts;
  readonly #wait: StepWait;

  constructor(parts: StepParts) {
    this.#parts = parts;
    this.#wait = new StepWait(parts);
  }

  /**
   * @param left how an earlier delivery left the node; undefined where it begins
   * @returns the next node; undefined at the run's end
   * @throws RunFailure, PutOff
   */
  async toEnd(left: Standing | undefined): Promise<string | undefined> {
    const { state } = this.#parts;
    // A step of an earlier delivery was counted when it was recorded.
    const over = left === undefined ? state.stepsFault() : undefined;
    let standing = left ?? {
      ordinal: state.journal.place(),
      began: this.#parts.run.host.now(),
      tries: [],
      effects: 0,
      waits: 0,
      due: undefined,
    };
    if (over !== undefined) return this.#caught(new Attempt(this.#parts, standing), this.#failure(over));
    for (;;) {
      await this.#pause(standing);
      const attempt = new Attempt(this.#parts, standing);
      try {
        this.#checkStanding(standing);
        return await this.#attempt(attempt);
      } catch (thrown) {
        if (thrown instanceof PutOff) throw thrown;
        const failure = this.#known(this.#failure(thrown));
        const again = await this.#again(attempt, failure);
        if (again === undefined) return this.#caught(attempt, failure);
        standing = again;
      }
    }
  }

  /** @returns the next node */
  async #attempt(attempt: Attempt): Promise<string | undefined> {
    const { state, compiled } = this.#parts;
    const { node } = compiled;
    const { step, standing } = attempt;
    if (standing.isParked === true && !this.#isForEvent) return this.#wait.end(attempt);
    const isFresh = standing.isParked !== true;
    if (isFresh && compiled.when !== undefined && !compiled.when(step)) {
      const next = this.#target(node.next);
      state.journal.write(attempt.ordinal, attempt.outcome({ status: 'skipped', next: next ?? null }));
      return next;
    }
    const ran = await compiled.compiled.run(step);
    if ('parkedUntil' in ran) return this.#wait.park(attempt, ran.parkedUntil);
    if ('awaits' in ran) {
      if (!isFresh) return this.#wait.onEvent(attempt, ran.awaits);
      return this.#wait.forEvent(attempt, ran.awaits, MAX_PARKED_CHARACTERS);
    }
    const result = 'rounds' in ran ? { output: await this.#rounds(attempt, ran) } : ran;
    if ('effect' in result) {
      this.#enter(await this.#perform(attempt, result.effect));
      return this.#target(node.next);
    }
    attempt.checkWall();
    const { output } = result;
    const next = this.#target(('next' in result ? result.next : undefined) ?? node.next);
    if (output !== undefined) {
      attempt.checkOutput(output);
      state.countOutput(output.length);
      this.#enter(output);
    }
    const rest = output === undefined ? {} : { output };
    state.journal.write(attempt.ordinal, attempt.outcome({ status: 'ok', next: next ?? null, ...rest }));
    return next;
  }

  /** Whoever waits for an event looks first whether it has come. */
  async #pause({ due, isParked = false }: Standing): Promise<void> {
    if (due !== undefined && !(isParked && this.#isForEvent)) await this.#wait.until(due, isParked);
  }

  get #isForEvent(): boolean {
    const { node } = this.#parts.compiled;
    return node.type === 'wait' && node.config.event !== undefined;
  }

  #rounds(attempt: Attempt, rounds: NodeRounds): Promise<string> {
    attempt.enterRounds();
    return new Rounds(this.#parts, attempt).toEnd(rounds);
  }

  /**
   * Does what a node does outside of its run, and sees to it that its outcome is recorded before anything follows (F5).
   * @returns the node's output
   */
  async #perform(attempt: Attempt, { ask, output }: NodeEffect): Promise<string> {
    const { run, state, frame, compiled } = this.#parts;
    const { journal } = state;
    const { ordinal } = attempt;
    const next = this.#target(compiled.node.next) ?? null;
    if (compiled.node.onUnknown === 'fail') await this.#intend(attempt);
    const named = { runId: run.order.runId, flow: frame.flow.flow.name, node: compiled.node.id };
    /** @returns the function that takes it back */
    const ends = (json: string, expected: number): (() => void) => {
      attempt.checkOutput(json);
      const before = journal.at(ordinal);
      journal.write(ordinal, attempt.outcome({ status: 'ok', next, output: json }, expected));
      return () => journal.restore(ordinal, before);
    };
    let json: string;
    if (typeof output === 'string') {
      json = output;
      await state.commit(
        (entries) => attempt.ask(ask, { ...named, journal: entries }),
        () => ends(json, 1),
      );
    } else {
      json = output(await attempt.ask(ask, { ...named, journal: [] }));
      const takeBack = ends(json, 0);
      try {
        await state.record();
      } catch (error) {
        takeBack();
        attempt.lose();
        throw error;
      }
    }
    state.countOutput(json.length);
    return json;
  }

  /** Records that the effect is about to happen, so that a delivery that finds nothing else does not repeat it. */
  async #intend(attempt: Attempt): Promise<void> {
    const { run, state, compiled } = this.#parts;
    const { ordinal } = attempt;
    const before = state.journal.at(ordinal);
    const at = run.order.position;
    state.journal.write(ordinal, attempt.outcome({ status: 'started', next: compiled.node.id, at }, 1));
    try {
      await state.record();
    } catch (error) {
      state.journal.restore(ordinal, before);
      throw error;
    }
    attempt.start();
  }

  /** A replay has another position: whoever replays has looked at what had happened. @throws GtpackError `effect_unknown` */
  #checkStanding({ startedAt }: Standing): void {
    const { run, compiled } = this.#parts;
    if (startedAt !== run.order.position || compiled.node.onUnknown !== 'fail') return;
    throw this.#unknown('the host or its cell ended before what became of it was recorded');
  }

  /** What may have happened is not tried again where the node's policy is to fail. */
  #known(failure: RunFailure): RunFailure {
    const { code } = failure.error;
    const why = UNHEARD.get(code);
    if (this.#parts.compiled.node.onUnknown !== 'fail' || why === undefined) return failure;
    return this.#failure(this.#unknown(`${why} (${code})`));
  }

  #unknown(why: string): GtpackError {
    const { node } = this.#parts.compiled;
    const what = node.type === 'event' ? `${node.config.action} of ${node.config.provider}` : node.type;
    return new GtpackError(
      EFFECT_UNKNOWN,
      `The effect of the node ${node.id} (${what}) may have happened: ${why}.`,
      {
        cure: 'See whether it has. If it has not, `gtpack dlq replay` does it; if it has, leave the event dead or drop it. With `on_unknown: repeat` the node would do it again by itself.',
      },
    );
  }

  /** @returns how the node stands before its next try; undefined where it has none */
  async #again(attempt: Attempt, failure: RunFailure): Promise<Standing | undefined> {
    const { run, state, compiled } = this.#parts;
    const { retry, id } = compiled.node;
    const { standing } = attempt;
    const failed = standing.tries.length + 1;
    if (retry === undefined || failed >= retry.attempts) return undefined;
    if (!failure.error.retryable || !failure.isTheNodes) return undefined;
    const { host } = run;
    const wait = retryDelayMs(retry, failed, failure.retryAfterMs, () => host.random());
    const due = host.now() + wait;
    const { code } = failure.error;
    const tries = [...standing.tries, { code, message: failure.plain.slice(0, MAX_TRY_CHARACTERS) }];
    const waits = standing.waits + (wait > MAX_WAIT_IN_CELL_MS ? 1 : 0);
    const outcome = attempt.outcome({ status: 'retrying', next: id, tries, due, waits });
    state.journal.write(attempt.ordinal, outcome);
    await state.record();
    return { ...standing, tries, effects: attempt.effects, due, waits };
  }

  /**
   * The node has failed for good: its flow says how to go on, or fails with it.
   * @returns the next node
   * @throws RunFailure
   */
  async #caught(attempt: Attempt, failure: RunFailure): Promise<string | undefined> {
    const { state, frame, compiled } = this.#parts;
    const { journal } = state;
    const { node } = compiled;
    const { onError } = node;
    const { code, message, node: where, retryable } = failure.error;
    if (onError === undefined || !failure.isTheNodes) {
      const isUnknown =
        code === EFFECT_UNKNOWN || (attempt.isStarted && (attempt.isLost || LEFT_UNKNOWN.has(code)));
      const error = { code, message };
      // Another chain's record may take it along, over what said that the effect had begun.
      const at = isUnknown ? { at: this.#parts.run.order.position } : {};
      journal.write(attempt.ordinal, attempt.outcome({ status: 'error', next: null, error, ...at }));
      // Else the next delivery would take it for unknown.
      if (attempt.isStarted && !isUnknown) await state.record();
      throw failure;
    }
    const goesOn = onError === CONTINUE && !frame.flow.nodes.has(onError);
    const next = this.#target(goesOn ? node.next : onError);
    const error = { code, message: failure.plain, node: where, retryable };
    journal.write(attempt.ordinal, attempt.outcome({ status: 'caught', next: next ?? null, error }));
    // What the node did outside of its run may not be done again.
    if (attempt.effects > 0 || attempt.hasRounds) await state.record();
    frame.scope.fail(error);
    return next;
  }

  #enter(json: string): void {
    const { node } = this.#parts.compiled;
    this.#parts.frame.scope.record(node.id, json, outputNames(node));
  }

  #failure(thrown: unknown): RunFailure {
    return RunFailure.of(thrown, placeOf(this.#parts.frame.flow, this.#parts.compiled.node.id));
  }

  #target(target: string | undefined): string | undefined {
    return targetIn(this.#parts.frame, target);
  }
}
