import { GtpackError } from '../errors.ts';
import { Attempt, type Standing } from './attempt.ts';
import type { CompiledFlow, CompiledFlowNode } from './compiled-flow.ts';
import { CONTINUE, outputNames } from './flow.ts';
import type { NodeEffect } from './node/node.ts';
import { retryDelayMs } from './retry.ts';
import type { RunParts } from './run.ts';
import type { Wall } from './run-effects.ts';
import { PutOff, RunFailure } from './run-failure.ts';
import type { RunState } from './run-state.ts';
import type { RunScope } from './scope.ts';
import { stepKey } from './step-key.ts';
import type { StrandJournal } from './strand-journal.ts';

/** Longer waits put the run off, so that its event is not held in memory. */
const MAX_WAIT_IN_CELL_MS = 2000;
/** Of a failed try, in the journal. */
const MAX_TRY_CHARACTERS = 300;

export interface StrandParts {
  readonly run: RunParts;
  readonly state: RunState;
  readonly flow: CompiledFlow;
  /** Names it within its run; empty for the main one. */
  readonly path: string;
  readonly scope: RunScope;
  readonly journal: StrandJournal;
  /** What bounds all of it. */
  readonly wall?: Wall;
}

/** A chain of nodes of one run, one after the other. */
export class Strand {
  readonly #parts: StrandParts;
  readonly #journal: StrandJournal;
  /** Nodes that are done: the place of a step among them names it, on every delivery. */
  #done = 0;
  #standing: (Standing & { readonly node: string }) | undefined;

  constructor(parts: StrandParts) {
    this.#parts = parts;
    this.#journal = parts.journal;
  }

  /**
   * Takes what was recorded for done (F2), and goes on to the end.
   * @param start the first node; undefined for none
   * @returns the last output, JSON text
   * @throws RunFailure, PutOff
   */
  async toEnd(start: string | undefined): Promise<string> {
    let at: string | undefined = start;
    try {
      at = this.#resume(start);
      while (at !== undefined) at = await this.#node(at);
      this.#journal.handOver();
      return this.#parts.scope.inputJson;
    } catch (thrown) {
      if (thrown instanceof PutOff) throw thrown;
      throw RunFailure.of(thrown, this.#placeOf(at));
    }
  }

  #resume(start: string | undefined): string | undefined {
    let next = start;
    for (const outcome of this.#parts.state.recordedOf(this.#parts.path)) {
      const node = this.#nodeAt(outcome.node);
      if (outcome.status === 'error') break;
      if (outcome.status === 'retrying' || outcome.status === 'running') {
        const { node: id, ordinal, tries = [], effects = 0, waits = 0, due, since } = outcome;
        this.#standing = { node: id, ordinal, tries, effects, waits, due, since };
        next = id;
        break;
      }
      if (outcome.output !== undefined) this.#enter(node, outcome.output);
      if (outcome.status === 'caught' && outcome.error !== undefined) {
        this.#parts.scope.fail(outcome.error);
      }
      this.#done += 1;
      next = outcome.next ?? undefined;
    }
    return this.#target(next);
  }

  /** @returns the next one */
  async #node(id: string): Promise<string | undefined> {
    const { state } = this.#parts;
    const compiled = this.#nodeAt(id);
    let standing: Standing | undefined = this.#standing;
    this.#standing = undefined;
    // A step of an earlier delivery was counted when it was recorded.
    const over = standing === undefined ? state.stepsFault() : undefined;
    standing ??= {
      ordinal: state.journal.place(),
      tries: [],
      effects: 0,
      waits: 0,
      due: undefined,
      since: undefined,
    };
    if (over !== undefined) throw this.#failed(compiled, standing, over);
    for (;;) {
      if (standing.due !== undefined) await this.#wait(standing.due);
      const attempt = new Attempt(this.#parts, compiled, standing, this.#keyOf(id));
      try {
        const next = await this.#attempt(compiled, standing, attempt);
        this.#done += 1;
        return next;
      } catch (thrown) {
        if (thrown instanceof PutOff) throw await this.#putOff(compiled, standing, attempt, thrown);
        const failure = RunFailure.of(thrown, this.#placeOf(id));
        const again = await this.#again(compiled, standing, attempt, failure);
        if (again === undefined) return this.#caught(compiled, standing, attempt, failure);
        standing = again;
      }
    }
  }

  /** One try of a node. @returns the next one */
  async #attempt(
    compiled: CompiledFlowNode,
    standing: Standing,
    attempt: Attempt,
  ): Promise<string | undefined> {
    const { node } = compiled;
    attempt.checkWall();
    const step = attempt.step;
    if (compiled.when !== undefined && !compiled.when(step)) {
      const next = this.#target(node.next);
      this.#journal.write(standing.ordinal, attempt.outcome({ status: 'skipped', next: next ?? null }));
      return next;
    }
    const result = await compiled.compiled.run(step);
    if ('effect' in result) {
      this.#enter(compiled, await this.#perform(compiled, standing, attempt, result.effect));
      return this.#target(node.next);
    }
    attempt.checkWall();
    const { output } = result;
    const next = this.#target(result.next ?? node.next);
    if (output !== undefined) {
      attempt.checkOutput(output);
      this.#count(output);
      this.#enter(compiled, output);
    }
    const rest = output === undefined ? {} : { output };
    this.#journal.write(standing.ordinal, attempt.outcome({ status: 'ok', next: next ?? null, ...rest }));
    return next;
  }

  /**
   * Does what a node does outside of its run, and sees to it that its outcome is recorded before anything follows (F5).
   * @returns the node's output
   */
  async #perform(
    { node }: CompiledFlowNode,
    standing: Standing,
    attempt: Attempt,
    { ask, output }: NodeEffect,
  ): Promise<string> {
    const { run, state, flow } = this.#parts;
    const { runId } = run.order;
    const next = this.#target(node.next) ?? null;
    const before = state.journal.at(standing.ordinal);
    const named = { runId, flow: flow.flow.name, node: attempt.name };
    const ends = (json: string, expected: number): void => {
      attempt.checkOutput(json);
      this.#journal.write(standing.ordinal, attempt.outcome({ status: 'ok', next, output: json }, expected));
    };
    try {
      let json: string;
      if (typeof output === 'string') {
        json = output;
        ends(json, 1);
        const journal = this.#journal.unrecorded();
        await attempt.ask(ask, { ...named, journal });
        this.#journal.markRecorded(journal);
      } else {
        json = output(await attempt.ask(ask, { ...named, journal: [] }));
        ends(json, 0);
        await this.#journal.record();
      }
      this.#count(json);
      return json;
    } catch (error) {
      this.#journal.restore(standing.ordinal, before);
      throw error;
    }
  }

  /** @returns how the node stands before its next try; undefined where it has none */
  async #again(
    compiled: CompiledFlowNode,
    standing: Standing,
    attempt: Attempt,
    failure: RunFailure,
  ): Promise<Standing | undefined> {
    const { retry } = compiled.node;
    const { host } = this.#parts.run;
    const failed = standing.tries.length + 1;
    if (retry === undefined || failed >= retry.attempts) return undefined;
    if (!failure.error.retryable || !failure.isTheNodes) return undefined;
    const wait = retryDelayMs(retry, failed, failure.retryAfterMs, () => host.random());
    const due = host.now() + wait;
    // No time is left for another try.
    if ((this.#parts.wall?.at ?? Number.POSITIVE_INFINITY) <= due) return undefined;
    const { code } = failure.error;
    const tries = [...standing.tries, { code, message: failure.plain.slice(0, MAX_TRY_CHARACTERS) }];
    const waits = standing.waits + (wait > MAX_WAIT_IN_CELL_MS ? 1 : 0);
    const next = { ...standing, tries, effects: attempt.effects, due, waits };
    const { node } = compiled;
    this.#journal.write(
      standing.ordinal,
      attempt.outcome({ status: 'retrying', next: node.id, tries, due, waits }),
    );
    await this.#journal.record();
    return next;
  }

  async #wait(due: number): Promise<void> {
    const { host } = this.#parts.run;
    const left = due - host.now();
    if (left > MAX_WAIT_IN_CELL_MS) throw new PutOff(due);
    if (left <= 0) return;
    await new Promise<void>((resolve) => {
      host.after(left, resolve);
    });
  }

  /** What is inside of a node waits for long: the node's own time goes on meanwhile. */
  async #putOff(
    { node }: CompiledFlowNode,
    standing: Standing,
    attempt: Attempt,
    putOff: PutOff,
  ): Promise<PutOff> {
    if (node.timeoutMs !== undefined && standing.since === undefined) {
      const since = attempt.startedAt;
      this.#journal.write(standing.ordinal, attempt.outcome({ status: 'running', next: node.id, since }));
      await this.#journal.record();
    }
    return putOff;
  }

  /** The node has failed for good: its flow says how to go on, or fails with it. */
  async #caught(
    compiled: CompiledFlowNode,
    standing: Standing,
    attempt: Attempt,
    failure: RunFailure,
  ): Promise<string | undefined> {
    const { node } = compiled;
    const { onError } = node;
    if (onError === undefined || !failure.isTheNodes) {
      const { code, message } = failure.error;
      this.#parts.state.journal.write(
        standing.ordinal,
        attempt.outcome({ status: 'error', next: null, error: { code, message } }),
      );
      throw failure;
    }
    const goesOn = onError === CONTINUE && !this.#parts.flow.nodes.has(onError);
    const next = this.#target(goesOn ? node.next : onError);
    const { code, node: where, retryable } = failure.error;
    const error = { code, message: failure.plain, node: where, retryable };
    this.#journal.write(standing.ordinal, attempt.outcome({ status: 'caught', next: next ?? null, error }));
    // What the node did outside of its run may not be done again.
    if (attempt.effects > 0) await this.#journal.record();
    this.#parts.scope.fail(error);
    this.#done += 1;
    return next;
  }

  #failed(compiled: CompiledFlowNode, standing: Standing, error: GtpackError): RunFailure {
    const failure = RunFailure.of(error, this.#placeOf(compiled.node.id));
    const attempt = new Attempt(this.#parts, compiled, standing, '');
    const { code, message } = failure.error;
    const outcome = attempt.outcome({ status: 'error', next: null, error: { code, message } });
    this.#parts.state.journal.write(standing.ordinal, outcome);
    return failure;
  }

  #enter({ node }: CompiledFlowNode, json: string): void {
    this.#parts.scope.record(node.id, json, outputNames(node));
  }

  #count(json: string): void {
    this.#parts.state.countOutput(json.length);
  }

  /** Names the step, the same on every delivery and try. */
  #keyOf(id: string): string {
    const { path, run } = this.#parts;
    return stepKey(run.order.runId, path === '' ? id : `${path}/${id}`, this.#done);
  }

  #nodeAt(id: string): CompiledFlowNode {
    const { flow } = this.#parts;
    const node = flow.nodes.get(id);
    if (node !== undefined) return node;
    throw new GtpackError(
      'flow_changed',
      `The flow ${flow.flow.name} has no node ${JSON.stringify(id)} any more, where this run goes on.`,
      { cure: 'Replay the event: it then runs through the flow as it is now.' },
    );
  }

  /** `respond` and `end` end the strand, unless a node has that id. */
  #target(target: string | undefined): string | undefined {
    if (target === undefined || this.#parts.flow.nodes.has(target)) return target;
    return target === 'respond' || target === 'end' ? undefined : target;
  }

  #placeOf(id: string | undefined): { file: string; line?: number; node: string | null } {
    const { flow, path } = this.#parts;
    const { file } = flow.flow;
    if (id === undefined) return { file, node: null };
    const line = flow.nodes.get(id)?.node.line;
    return { file, ...(line === undefined ? {} : { line }), node: path === '' ? id : `${path}/${id}` };
  }
}
