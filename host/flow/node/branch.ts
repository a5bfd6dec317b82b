import type { BranchNode } from '../flow.ts';
import { compileCondition } from './compile.ts';
import type { CompiledNode, NodeTools } from './node.ts';

/** Goes to the target of the first condition that holds, else to `default`, else to the node's own `next`. */
export function compileBranch(node: BranchNode, tools: NodeTools): CompiledNode {
  const { conditions, default: otherwise } = node.config;
  const compiled = conditions.map(({ expression, next }) => ({
    test: compileCondition(expression, tools),
    next,
  }));
  return {
    run(step) {
      for (const { test, next } of compiled) if (test(step)) return { next };
      return otherwise === undefined ? {} : { next: otherwise };
    },
  };
}
