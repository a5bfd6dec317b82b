import type { JsonBounds } from '../../event/json-bounds.ts';
import type { EventIds } from '../../event/normalize.ts';
import type { NormalizedEvent } from '../../sandbox/protocol.ts';
import type { ExpressionCompiler } from '../expression.ts';
import type { Flow } from '../flow.ts';
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
}

/** A node, ready to run any number of times. */
export interface CompiledNode {
  /** @throws GtpackError or EffectProblem, which fail the node */
  run(step: NodeStep): NodeResult | Promise<NodeResult>;
}

export interface NodeResult {
  /** JSON text; absent where the node passes its input on. */
  readonly output?: string;
  /** The node's own target instead of its `next`. */
  readonly next?: string;
}

/** One execution of a node. */
export interface NodeStep {
  readonly runId: string;
  /** Place of the step in the run, from 0. */
  readonly ordinal: number;
  readonly event: RunEvent;
  readonly scope: RunScope;
  readonly host: FlowHost;
  /** Runs tenant code that does not wait (F3). */
  guard<T>(fn: () => T): T;
  /** Goes to the journal with the node's outcome. */
  note(text: string): void;
  /**
   * Does the node's one effect, which is the last thing that it does: its outcome is recorded together with it, so
   * `output` must be known before.
   * @throws EffectProblem as the broker answers, GtpackError `flow_too_many_effects`
   */
  publish(events: readonly NormalizedEvent[], output: string): Promise<NodeResult>;
  /** Answers the waiting webhook, once a run. @throws GtpackError `flow_response_invalid` for a second answer */
  respond(status: number, headers: Readonly<Record<string, string>>, body: string): void;
}
