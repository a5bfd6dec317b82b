import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { ExpressionCompiler } from './expression.ts';
import { type Flow, type FlowNode, outputNamesOf } from './flow.ts';
import { compileCondition } from './node/compile.ts';
import type { CompiledNode, NodeStep, NodeTools } from './node/node.ts';
import { compileNode } from './node/nodes.ts';

export interface CompiledFlow {
  readonly flow: Flow;
  readonly nodes: ReadonlyMap<string, CompiledFlowNode>;
}

export interface CompiledFlowNode {
  readonly node: FlowNode;
  readonly compiled: CompiledNode;
  readonly when?: (step: Pick<NodeStep, 'guard' | 'note' | 'scope'>) => boolean;
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
  const [first, ...rest] = problems;
  return first === undefined ? { flow, nodes } : GtpackError.ofProblems([first, ...rest]);
}
