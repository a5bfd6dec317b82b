import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { ExpressionCompiler, NO_NAMES } from './expression.ts';
import { type Flow, type FlowNode, outputNamesOf } from './flow.ts';
import { compileCondition } from './node/compile.ts';
import type { CompiledNode, NodeStep, NodeTools } from './node/node.ts';
import { compileNode } from './node/nodes.ts';

export interface CompiledFlow {
  readonly flow: Flow;
  readonly nodes: ReadonlyMap<string, CompiledFlowNode>;
  /** Of the triggers that have one, by their place. */
  readonly conditions: ReadonlyMap<number, Condition>;
}

type Condition = (step: Pick<NodeStep, 'guard' | 'note' | 'scope'>) => boolean;

export interface CompiledFlowNode {
  readonly node: FlowNode;
  readonly compiled: CompiledNode;
  readonly when?: Condition;
}

/** @returns the flow, or the error with every problem of its nodes */
export function compileFlow(
  flow: Flow,
  shared: Omit<NodeTools, 'flow' | 'compiler'>,
): CompiledFlow | GtpackError {
  const compiler = new ExpressionCompiler({
    nodes: flow.nodes.map((node) => node.id),
    outputs: outputNamesOf(flow.nodes),
  });
  const tools: NodeTools = { ...shared, flow, compiler };
  const nodes = new Map<string, CompiledFlowNode>();
  const problems: Problem[] = [];
  for (const node of flow.nodes) {
    try {
      const when = node.when === undefined ? {} : { when: compileCondition(node.when, tools) };
      nodes.set(node.id, { node, compiled: compileNode(node, tools), ...when });
    } catch (error) {
      if (error instanceof GtpackError) problems.push(...error.problems);
      else problems.push({ code: 'flow_failed', message: errorMessage(error), file: flow.file });
    }
  }
  const conditions = new Map<number, Condition>();
  const onEvent: NodeTools = { ...tools, compiler: new ExpressionCompiler(NO_NAMES) };
  for (const [index, trigger] of flow.triggers.entries()) {
    if (trigger.type !== 'event' || trigger.when === undefined) continue;
    try {
      conditions.set(index, compileCondition(trigger.when, onEvent));
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      problems.push(...error.problems);
    }
  }
  const [first, ...rest] = problems;
  return first === undefined ? { flow, nodes, conditions } : GtpackError.ofProblems([first, ...rest]);
}
