import type { LogLevel } from '../../contract.ts';
import type { JsonBounds } from '../../event/json-bounds.ts';
import type { EventIds } from '../../event/normalize.ts';
import type { Effect } from '../../sandbox/protocol.ts';
import type { ExpressionCompiler } from '../expression.ts';
import type { AwaitedEvent, Flow } from '../flow.ts';
import type { FlowHost } from '../flow-host.ts';
import type { RunEvent, RunScope } from '../scope.ts';
import type { ScriptCompiler } from './script.ts';

/** What a node is compiled with; one for each flow. */
export interface NodeTools {
  readonly flow: Flow;
  readonly compiler: ExpressionCompiler;
  readonly scripts: ScriptCompiler;
  /** Of an output, and of a published event. */
  readonly bounds: JsonBounds;
  readonly ids: EventIds;
  /** For tenant code that runs while compiling: the top level of helper modules. */
  readonly host: Pick<FlowHost, 'guard' | 'cpuMs'>;
  /** What one uninterrupted stretch of tenant code may take. */
  readonly cpuSliceMs: number;
  /** What an effect may take by the wall. */
  readonly effectWallMs: number;
}

/** A node, ready to run any number of times. */
export interface CompiledNode {
  /** @throws GtpackError, which fails the node */
  run(step: NodeStep): NodeResult | Promise<NodeResult>;
}

export type NodeResult =
  | {
      /** JSON text; absent where the node passes its input on. */
      readonly output?: string;
      /** The node's own target instead of its `next`. */
      readonly next?: string;
    }
  | { readonly effect: NodeEffect }
  /** The run is parked until then, in milliseconds since the Unix epoch; the node passes its input on. */
  | { readonly parkedUntil: number }
  /** The run is parked until an event comes, which is the node's output, or its time is over. */
  | { readonly awaits: NodeAwaits }
  | NodeRounds;

/** An event that a node waits for. */
export interface NodeAwaits extends Pick<AwaitedEvent, 'pattern' | 'timeoutMs'> {
  /** What the event has to hold at a path, as JSON text: narrows down which runs are asked. */
  key(): { readonly path: readonly string[]; readonly value: string } | undefined;
  /** Whether an event of the type is the one. */
  wants(arrived: RunEvent): boolean;
}

/** Chains of nodes that a node waits for, as the last thing that it does. */
export interface NodeRounds {
  readonly rounds: readonly Round[];
  /** How many at a time; at least 1. */
  readonly concurrency: number;
  /** One that fails is part of the output, and does not fail the node. */
  readonly collects: boolean;
  /** @returns the node's output, of theirs in their order; JSON texts */
  readonly output: (outputs: readonly string[]) => string;
}

export interface Round {
  /** Unique in its node. */
  readonly name: string;
  readonly body:
    | { readonly kind: 'chain'; readonly target: string; readonly scope: () => RunScope }
    | {
        readonly kind: 'flow';
        readonly flow: string;
        /** JSON text. @throws GtpackError, which fails the round */
        readonly input: () => string;
      };
}

/** What a node has done outside of its run, as the last thing that it does. */
export interface NodeEffect {
  readonly ask: BrokerAsk | ProviderAsk;
  /**
   * The node's output, JSON text. One that is known before is stored together with the effect; one that is made of the
   * answer is recorded before the next node starts, and a cell that dies in between leaves the effect to be repeated.
   */
  readonly output: string | ((answer: string) => string);
}

/** One effect of the run's own. */
export interface BrokerAsk extends Pick<Effect, 'capability' | 'fn' | 'args' | 'events'> {
  readonly kind: 'broker';
}

/** A call of a provider in the same cell, whose effects count against the run. */
export interface ProviderAsk {
  readonly kind: 'provider';
  readonly provider: string;
  readonly operation: string;
  /** JSON text. */
  readonly input: string;
}

/** One execution of a node. */
export interface NodeStep {
  /** Names the step: the same on every delivery of the run and every try of the node. */
  readonly key: string;
  readonly event: RunEvent;
  readonly scope: RunScope;
  readonly host: FlowHost;
  /** How long the node may still take, in milliseconds; infinity where it has no `timeout`. */
  leftMs(): number;
  /** The node's `retry` has no further try. */
  readonly isLastTry: boolean;
  /** Runs tenant code that does not wait (F3). */
  guard<T>(fn: () => T): T;
  /** Goes to the host's log, with the run, the flow and the node. */
  log(level: LogLevel, message: string): void;
  /** Goes to the journal with the node's outcome. */
  note(text: string): void;
  /** Answers the waiting webhook, once a run. @throws GtpackError `flow_response_invalid` for a second answer */
  respond(status: number, headers: Readonly<Record<string, string>>, body: string): void;
}
