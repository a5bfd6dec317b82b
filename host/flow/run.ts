import { errorMessage, formatProblem, GtpackError, type Problem } from '../errors.ts';
import { checkJsonBounds, eventBounds, type JsonBounds } from '../event/json-bounds.ts';
import type { CellLimits, RunError, RunOrder, RunOutcome } from '../sandbox/protocol.ts';
import type { CompiledFlow, CompiledFlowNode } from './compiled-flow.ts';
import { outputNames } from './flow.ts';
import type { FlowHost } from './flow-host.ts';
import { Journal, type NodeOutcome, readOutcome } from './journal.ts';
import type { NodeEffect, NodeStep } from './node/node.ts';
import { EffectProblem, RunEffects } from './run-effects.ts';
import { type RunEvent, RunScope } from './scope.ts';
import { stepKey } from './step-key.ts';

export interface RunParts {
  readonly flow: CompiledFlow;
  readonly order: RunOrder;
  readonly event: RunEvent;
  readonly host: FlowHost;
  readonly limits: CellLimits;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
}

/** All outputs of a run together, in events of the largest size: they are scope, journal and message at once. */
const MAX_OUTPUT_EVENTS = 16;

/** One event going through one flow. */
export class Run {
  readonly #parts: RunParts;
  readonly #scope: RunScope;
  readonly #journal: Journal;
  readonly #bounds: JsonBounds;
  readonly #effects: RunEffects;
  #outputCharacters = 0;
  #answers = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#scope = new RunScope(parts.event);
    this.#journal = new Journal(parts.order.journal);
    this.#bounds = eventBounds(parts.limits);
    this.#effects = new RunEffects(parts);
  }

  /** Never rejects (F4). */
  async toEnd(): Promise<RunOutcome> {
    let at: string | undefined;
    try {
      at = this.#resume();
      while (at !== undefined) at = await this.#step(at);
      this.#answer(200, this.#scope.inputJson);
      return this.#outcome({ status: 'ok', output: this.#scope.inputJson });
    } catch (thrown) {
      const error = this.#runError(thrown, at ?? null);
      this.#answerFailure(error);
      return this.#outcome({ status: 'error', error });
    }
  }

  /** Takes what was recorded for done (F2). @returns the node to run next */
  #resume(): string | undefined {
    const { flow, order } = this.#parts;
    let next: string | undefined = flow.flow.triggers[order.trigger]?.target;
    for (const entry of order.journal) {
      const outcome = readOutcome(entry);
      const node = this.#nodeAt(outcome.node);
      if (outcome.output !== undefined) this.#record(node, outcome.output);
      if (node.node.type === 'http_response' && outcome.status === 'ok') this.#answers += 1;
      this.#effects.resume(outcome.effects ?? 0);
      next = outcome.next ?? undefined;
    }
    return this.#target(next);
  }

  /** Runs one node. @returns the next one */
  async #step(id: string): Promise<string | undefined> {
    const { limits, host } = this.#parts;
    const compiled = this.#nodeAt(id);
    const startedAt = host.now();
    const notes: string[] = [];
    const outcomeOf: OutcomeOf = (rest) => ({
      node: id,
      ms: host.now() - startedAt,
      ...(notes.length === 0 ? {} : { notes }),
      ...rest,
    });
    try {
      if (this.#journal.length >= limits.maxFlowSteps) throw this.#tooManySteps();
      const step = this.#nodeStep(compiled, notes);
      if (compiled.when !== undefined && !compiled.when(step)) {
        const next = this.#target(compiled.node.next);
        this.#journal.add(outcomeOf({ status: 'skipped', next: next ?? null }));
        return next;
      }
      const result = await compiled.compiled.run(step);
      if ('effect' in result) {
        this.#record(compiled, await this.#perform(compiled, step, result.effect, outcomeOf));
        return this.#target(compiled.node.next);
      }
      const { output } = result;
      const next = this.#target(result.next ?? compiled.node.next);
      if (output !== undefined) {
        this.#checkOutput(id, output);
        this.#record(compiled, output);
      }
      this.#journal.add(
        outcomeOf({ status: 'ok', next: next ?? null, ...(output === undefined ? {} : { output }) }),
      );
      return next;
    } catch (thrown) {
      const { code, message } = this.#runError(thrown, id);
      this.#journal.add(outcomeOf({ status: 'error', next: null, error: { code, message } }));
      throw thrown;
    }
  }

  /**
   * Does what a node does outside of its run, and sees to it that its outcome is recorded before anything follows (F5).
   * @returns the node's output
   */
  async #perform(
    { node }: CompiledFlowNode,
    { key, ordinal }: NodeStep,
    { ask, output }: NodeEffect,
    outcomeOf: OutcomeOf,
  ): Promise<string> {
    const { flow, runId } = this.#parts.order;
    const next = this.#target(node.next) ?? null;
    const before = this.#effects.count;
    const entered = (json: string, effects: number): void => {
      this.#checkOutput(node.id, json);
      this.#journal.add(
        outcomeOf({ status: 'ok', next, output: json, ...(effects === 0 ? {} : { effects }) }),
      );
    };
    try {
      let json: string;
      if (typeof output === 'string') {
        json = output;
        entered(json, 1);
        await this.#effects.ask(
          ask,
          { runId, flow, node: node.id, journal: this.#journal.unrecorded() },
          key,
        );
      } else {
        json = output(await this.#effects.ask(ask, { runId, flow, node: node.id, journal: [] }, key));
        entered(json, this.#effects.count - before);
        await this.#effects.record({ runId, journal: this.#journal.unrecorded() });
      }
      this.#journal.markRecorded();
      return json;
    } catch (error) {
      this.#journal.takeBackTo(ordinal);
      throw error;
    }
  }

  #nodeStep({ node }: CompiledFlowNode, notes: string[]): NodeStep {
    const { order, event, host, flow } = this.#parts;
    const label = `flow ${flow.flow.name}, node ${node.id}`;
    return {
      runId: order.runId,
      ordinal: this.#journal.length,
      key: stepKey(order.runId, node.id, this.#journal.length),
      event,
      scope: this.#scope,
      host,
      guard: (fn) => host.guard(label, fn),
      note: (text) => notes.push(text),
      respond: (status, headers, body) => {
        if (this.#answers > 0) {
          throw new GtpackError('flow_response_invalid', 'The run has answered its webhook before.', {
            cure: 'Let only one http_response node run.',
          });
        }
        this.#answers += 1;
        host.respond(event.head.id, { status, headers, body });
      },
    };
  }

  #checkOutput(node: string, json: string): void {
    checkJsonBounds(json, this.#bounds, `The output of node ${node}`);
  }

  #record({ node }: CompiledFlowNode, json: string): void {
    this.#outputCharacters += json.length;
    const max = MAX_OUTPUT_EVENTS * this.#bounds.maxBytes;
    if (this.#outputCharacters > max) {
      throw new GtpackError(
        'flow_outputs_too_large',
        `The outputs of the run are longer than ${max} characters together.`,
        { cure: 'Let nodes give only what later nodes need.' },
      );
    }
    this.#scope.record(node.id, json, outputNames(node));
  }

  #nodeAt(id: string): CompiledFlowNode {
    const node = this.#parts.flow.nodes.get(id);
    if (node !== undefined) return node;
    throw new GtpackError(
      'flow_changed',
      `The flow ${this.#parts.order.flow} has no node ${JSON.stringify(id)} any more, where this run goes on.`,
      { cure: 'Replay the event: it then runs through the flow as it is now.' },
    );
  }

  /** `respond` and `end` end the run, unless a node has that id. */
  #target(target: string | undefined): string | undefined {
    if (target === undefined || this.#parts.flow.nodes.has(target)) return target;
    return target === 'respond' || target === 'end' ? undefined : target;
  }

  #tooManySteps(): GtpackError {
    const { maxFlowSteps } = this.#parts.limits;
    return new GtpackError(
      'flow_too_many_steps',
      `The run has taken ${maxFlowSteps} steps, which is the most that is allowed.`,
    );
  }

  /** A webhook waits for every run of a flow with an `http_response` node; whichever way it ends, it is answered. */
  #answer(status: number, body: string): void {
    const { flow, event, host } = this.#parts;
    if (!flow.flow.answersWebhook || this.#answers > 0) return;
    this.#answers += 1;
    host.respond(event.head.id, { status, headers: { 'content-type': 'application/json' }, body });
  }

  /** The sender learns that the flow failed and what to ask its operator for, and nothing of the flow's inside. */
  #answerFailure(error: RunError): void {
    // The next attempt may answer better.
    if (error.retryable) return;
    const { runId, flow } = this.#parts.order;
    const message = `The flow ${flow} failed; its run is ${runId}.`;
    this.#answer(500, JSON.stringify({ code: 'flow_failed', message }));
  }

  /** Of what has no place of its own, the message begins with the node's. */
  #runError(thrown: unknown, node: string | null): RunError {
    const { file } = this.#parts.flow.flow;
    const line = node === null ? undefined : this.#parts.flow.nodes.get(node)?.node.line;
    const placed = (problem: Omit<Problem, 'code'>): string =>
      formatProblem({
        file,
        ...(line === undefined ? {} : { line }),
        ...problem,
        code: 'flow_failed',
      });
    if (thrown instanceof EffectProblem) {
      return { ...thrown.problem, message: placed({ message: thrown.problem.message }), node };
    }
    if (thrown instanceof GtpackError) {
      const message = thrown.problems.map(placed).join('\n');
      return { code: thrown.code, message, node, retryable: thrown.retryable };
    }
    return {
      code: 'flow_failed',
      message: placed({ message: errorMessage(thrown) }),
      node,
      retryable: false,
    };
  }

  #outcome(end: Pick<RunOutcome, 'status' | 'output' | 'error'>): RunOutcome {
    const { order, host, startedAt } = this.#parts;
    return {
      runId: order.runId,
      flow: order.flow,
      journalJson: this.#journal.toJson(),
      durationMs: host.now() - startedAt,
      ...end,
    };
  }
}

type OutcomeOf = (rest: Pick<NodeOutcome, 'status' | 'next' | 'output' | 'error' | 'effects'>) => NodeOutcome;
