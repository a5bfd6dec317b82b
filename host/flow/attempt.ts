import { checkJsonBounds } from '../event/json-bounds.ts';
import type { EffectRun } from '../sandbox/protocol.ts';
import type { CompiledFlowNode } from './compiled-flow.ts';
import type { Frame } from './frame.ts';
import type { FailedTry, NodeOutcome } from './journal.ts';
import type { BrokerAsk, NodeStep, ProviderAsk } from './node/node.ts';
import type { RunParts } from './run.ts';
import { nodeTimeout, type Wall } from './run-effects.ts';
import type { RunState } from './run-state.ts';
import { logPlace } from './scope.ts';

/** What is known of a node that is not done. */
export interface Standing {
  readonly ordinal: number;
  /** When its first try began; milliseconds since the Unix epoch. */
  readonly began: number;
  readonly tries: readonly FailedTry[];
  readonly effects: number;
  readonly waits: number;
  /** No try before; milliseconds since the Unix epoch. */
  readonly due: number | undefined;
  /** All that the node does is wait until `due`. */
  readonly isParked?: boolean;
  /** The delivery that began an effect of which nothing more was recorded. */
  readonly startedAt?: number | undefined;
}

/** One node of one run. */
export interface StepParts {
  readonly run: RunParts;
  readonly state: RunState;
  readonly frame: Frame;
  readonly compiled: CompiledFlowNode;
  /** Names the step: the same on every delivery and every try. */
  readonly key: string;
  /** Of the step in its frame, from 0. */
  readonly place: number;
  /** Runs a frame that the step opens. @returns its last output, JSON text @throws RunFailure, PutOff */
  readonly enter: (frame: Frame) => Promise<string>;
}

/** One try of one node: how long it may take, what it did, and what its outcome says of it. */
export class Attempt {
  readonly step: NodeStep;
  readonly standing: Standing;
  readonly #parts: StepParts;
  readonly #wall: Wall | undefined;
  readonly #notes: string[] = [];
  #spent = 0;
  #isAnswer = false;
  #isStarted = false;
  #hasRounds = false;
  #isLost = false;

  constructor(parts: StepParts, standing: Standing) {
    const { run, frame, compiled, key } = parts;
    const { host } = run;
    const { id, timeoutMs, retry } = compiled.node;
    this.#parts = parts;
    this.standing = standing;
    const startedAt = host.now();
    const own = timeoutMs === undefined ? undefined : { at: startedAt + timeoutMs, ms: timeoutMs, node: id };
    this.#wall = earlier(own, frame.wall);
    const label = `flow ${frame.flow.flow.name}, node ${id}`;
    this.step = {
      key,
      event: frame.event,
      scope: frame.scope,
      host,
      leftMs: () => (this.#wall === undefined ? Number.POSITIVE_INFINITY : this.#wall.at - host.now()),
      isLastTry: standing.tries.length + 1 >= (retry?.attempts ?? 1),
      guard: (fn) => host.guard(label, fn),
      log: (level, message) => {
        const place = logPlace(run.order.runId, frame.event, id);
        host.log({ source: `flow:${frame.flow.flow.name}`, level, message, place });
      },
      note: (text) => this.#notes.push(text),
      respond: (status, headers, body) => {
        parts.state.respond({ status, headers, body });
        this.#isAnswer = true;
      },
    };
  }

  /** The step's place in the journal. */
  get ordinal(): number {
    return this.standing.ordinal;
  }

  get wall(): Wall | undefined {
    return this.#wall;
  }

  /** Of the node in all of its tries. */
  get effects(): number {
    return this.standing.effects + this.#spent;
  }

  /** That its effect is about to happen is recorded. */
  start(): void {
    this.#isStarted = true;
  }

  /** Its effect has happened, and its outcome was not stored. */
  lose(): void {
    this.#isLost = true;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** The chains that it waits for may have effects. */
  enterRounds(): void {
    this.#hasRounds = true;
  }

  get hasRounds(): boolean {
    return this.#hasRounds;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** The outcome that is being written will have had one more effect. */
  outcome(rest: Pick<NodeOutcome, 'status' | 'next'> & Partial<NodeOutcome>, expected = 0): NodeOutcome {
    const { run, frame, compiled } = this.#parts;
    const { ordinal, began, tries, waits } = this.standing;
    const trace = run.event.head.metadata?.trace_id;
    const effects = this.effects + expected;
    return {
      node: compiled.node.id,
      ...(frame.id === '' ? {} : { frame: frame.id }),
      began,
      ms: Math.max(0, run.host.now() - began),
      ...(ordinal === 0 && trace !== undefined ? { trace } : {}),
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
      source: this.#parts.frame.flow.flow.name,
      wall: this.#wall,
      onSpent: () => {
        this.#spent += 1;
      },
    });
  }

  /** @throws GtpackError `flow_node_timeout` where the node's time is over */
  checkWall(): void {
    if (this.#wall !== undefined && this.step.leftMs() < 0) throw nodeTimeout(this.#wall);
  }

  /** @throws GtpackError where the output is too large */
  checkOutput(json: string): void {
    checkJsonBounds(json, this.#parts.state.bounds, `The output of node ${this.#parts.compiled.node.id}`);
  }
}

function earlier(one: Wall | undefined, other: Wall | undefined): Wall | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.at <= other.at ? one : other;
}
