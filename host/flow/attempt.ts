import { checkJsonBounds } from '../event/json-bounds.ts';
import type { EffectRun } from '../sandbox/protocol.ts';
import type { CompiledFlowNode } from './compiled-flow.ts';
import type { NodeOutcome } from './journal.ts';
import type { BrokerAsk, NodeStep, ProviderAsk } from './node/node.ts';
import { nodeTimeout, type Wall } from './run-effects.ts';
import type { StrandParts } from './strand.ts';

/** What is known of a node that is not done. */
export interface Standing {
  readonly ordinal: number;
  readonly tries: NonNullable<NodeOutcome['tries']>;
  readonly effects: number;
  readonly waits: number;
  readonly due: number | undefined;
  readonly since: number | undefined;
}

/** One try of one node: how long it may take, what it did, and what its outcome says of it. */
export class Attempt {
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly step: NodeStep;
  /** The node with its strand, for messages and the audit log. */
  readonly name: string;
  readonly wall: Wall | undefined;
  readonly #parts: StrandParts;
  readonly #node: string;
  readonly #standing: Standing;
  readonly #notes: string[] = [];
  #spent = 0;
  #isAnswer = false;

  /** @param key names the step: the same on every delivery and every try */
  constructor(parts: StrandParts, { node }: CompiledFlowNode, standing: Standing, key: string) {
    const { run, flow, path, scope, state } = parts;
    const { host, order, event } = run;
    this.#parts = parts;
    this.#node = node.id;
    this.#standing = standing;
    this.name = path === '' ? node.id : `${path}/${node.id}`;
    this.startedAt = standing.since ?? host.now();
    const { timeoutMs } = node;
    const own = timeoutMs && { at: this.startedAt + timeoutMs, ms: timeoutMs, node: this.name };
    this.wall = own && own.at < (parts.wall?.at ?? Number.POSITIVE_INFINITY) ? own : parts.wall;
    const label = `flow ${flow.flow.name}, node ${node.id}`;
    this.step = {
      runId: order.runId,
      ordinal: standing.ordinal,
      key,
      event,
      scope,
      host,
      leftMs: () => (this.wall === undefined ? Number.POSITIVE_INFINITY : this.wall.at - host.now()),
      guard: (fn) => host.guard(label, fn),
      note: (text) => this.#notes.push(text),
      respond: (status, headers, body) => {
        state.respond({ status, headers, body });
        this.#isAnswer = true;
      },
    };
  }

  /** Of the node in all of its tries. */
  get effects(): number {
    return this.#standing.effects + this.#spent;
  }

  /** The outcome that is being written will have had one more effect. */
  outcome(rest: Pick<NodeOutcome, 'status' | 'next'> & Partial<NodeOutcome>, expected = 0): NodeOutcome {
    const { path, run } = this.#parts;
    const { tries, waits } = this.#standing;
    const effects = this.effects + expected;
    return {
      node: this.#node,
      ...(path === '' ? {} : { at: path }),
      ms: run.host.now() - this.startedAt,
      ...(this.#notes.length === 0 ? {} : { notes: this.#notes }),
      ...(effects === 0 ? {} : { effects }),
      ...(this.#isAnswer ? { answers: true } : {}),
      ...(tries.length === 0 ? {} : { tries }),
      ...(waits === 0 ? {} : { waits }),
      ...rest,
    };
  }

  /** @throws as `RunEffects.ask` */
  ask(ask: BrokerAsk | ProviderAsk, run: EffectRun): Promise<string> {
    return this.#parts.state.effects.ask(ask, run, {
      key: this.step.key,
      source: this.#parts.flow.flow.name,
      wall: this.wall,
      onSpent: () => {
        this.#spent += 1;
      },
    });
  }

  /** @throws GtpackError `flow_node_timeout` where the node's time is over */
  checkWall(): void {
    if (this.wall !== undefined && this.step.leftMs() < 0) throw nodeTimeout(this.wall);
  }

  /** @throws GtpackError where the output is too large */
  checkOutput(json: string): void {
    checkJsonBounds(json, this.#parts.state.bounds, `The output of node ${this.#node}`);
  }
}
